"""What lies between the services and a server, so that it can be cut, mended and made slow?"""

import asyncio
import contextlib
from collections.abc import Callable


class Wire:
    """A TCP proxy with a port of its own. `delay`: seconds for which every piece of data is held up, in both directions."""

    def __init__(self, far: Callable[[], int], port: int) -> None:
        self.port, self.delay = port, 0.0
        self._far = far
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()

    async def mend(self) -> None:
        """It carries again, as slowly as before."""
        if self._server is None:
            self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)

    async def cut(self) -> None:
        """Every open connection breaks, and new ones are refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for end in list(self._ends):
            end.transport.abort()

    async def _join(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        self._ends.add(back)
        try:
            far, there = await asyncio.open_connection("127.0.0.1", self._far())
        except OSError:
            back.transport.abort()
            self._ends.discard(back)
            return
        self._ends.add(there)
        if self._server is None:  # cut while it was being joined
            there.transport.abort()
        await asyncio.gather(self._carry(near, there), self._carry(far, back))
        self._ends -= {back, there}

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(data)
                await writer.drain()
        writer.close()
