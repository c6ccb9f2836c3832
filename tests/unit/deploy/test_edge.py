"""Does the local proxy tell a service that goes away from a fault of its own?"""

import asyncio
import contextlib
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
import uvloop

from deploy.local import edge

LINGER = struct.pack("ii", 1, 0)
"""Closing a socket with this resets its connection."""


@pytest.fixture
def resetting() -> Iterator[int]:
    """The port of a server that resets every connection as soon as it is made, as a process does that is just stopping."""
    server = socket.create_server(("127.0.0.1", 0), backlog=100)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()


def test_a_connection_that_is_reset_at_once_is_a_service_that_is_away(resetting: int) -> None:
    """Under uvloop, as the edge runs: there the reset can come before the socket was looked at."""
    app = edge.application({"intake": f"http://127.0.0.1:{resetting}"})

    async def asked() -> Counter[int]:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://edge") as client:
            held_up = asyncio.create_task(_busy())
            answers = await asyncio.gather(*(client.post("/intake/reports", json={}) for _ in range(50)))
            held_up.cancel()
            return Counter(answer.status_code for answer in answers)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(asked()) == {503: 50}


async def _busy() -> None:
    """A loop that comes round slowly sees connection and reset in one turn."""
    while True:
        until = time.monotonic() + 0.002
        while time.monotonic() < until:
            pass
        await asyncio.sleep(0)
