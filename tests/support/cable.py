"""A wire to a server that a test can cut and mend: every open connection breaks, new ones are refused."""

import asyncio
import contextlib
from urllib.parse import urlsplit, urlunsplit


class Cable:
    def __init__(self, url: str) -> None:
        self._far = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """The same URL through the wire."""
        return urlunsplit(self._far._replace(netloc=f"{self._far.username}:{self._far.password}@127.0.0.1:{self.port}"))

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
        self._server = None

    async def _join(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, there = await asyncio.open_connection(self._far.hostname, self._far.port)
        self._writers |= {back, there}
        await asyncio.gather(self._carry(near, there), self._carry(far, back))
        self._writers -= {back, there}

    @staticmethod
    async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()
