"""How are many requests sent, and webhooks taken, so cheaply that the caller does not become what is measured? HTTP/1.1 by hand, kept alive."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

HEAD_END = b"\r\n\r\n"
RESTED_SECONDS = 2.0
"""Uvicorn closes after 5 seconds."""


class Client:
    """One connection, opened anew when it has rested so long that the server may be closing it. Nothing is retried."""

    def __init__(self, port: int, token: str) -> None:
        self.port = port
        self._common = f"Host: 127.0.0.1\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n".encode()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._used = 0.0

    async def call(self, method: str, path: str, body: bytes = b"", key: str = "") -> tuple[int, bytes]:
        """Status and body."""
        if self._reader is None or self._writer is None or time.monotonic() - self._used > RESTED_SECONDS:
            self.close()
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        idempotency = f"Idempotency-Key: {key}\r\n" if key else ""
        head = f"{method} {path} HTTP/1.1\r\n{idempotency}Content-Length: {len(body)}\r\n".encode()
        self._writer.write(head + self._common + b"\r\n" + body)
        found = await answer(self._reader)
        self._used = time.monotonic()
        return found

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(HEAD_END)
    return int(head[9:12]), await reader.readexactly(_length(head))


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    return 0


@asynccontextmanager
async def clients(port: int, token: str, count: int) -> AsyncIterator[list[Client]]:
    made = [Client(port, token) for _ in range(count)]
    try:
        yield made
    finally:
        for client in made:
            client.close()


@asynccontextmanager
async def receiver(take: Callable[[dict[str, Any]], None]) -> AsyncIterator[int]:
    """A webhook receiver: every POST is answered 204, and its body is given to `take`. Yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while head := await reader.readuntil(HEAD_END):
                body = await reader.readexactly(_length(head))
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                take(msgspec.json.decode(body))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
