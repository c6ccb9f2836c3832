"""What stands in for a partner in these tests: a real HTTP server on loopback, with TLS if wanted, that answers from a script."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from services.notification.channels.webhook import Attempt, Limits, Outcome, Webhooks

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]
OURS = "whsec_aGVsaS10ZXN0LWtleS0wMDAwMDAwMDAwMDAwMDAwMDE="
BODY = '{"type":"heli.test","data":{"n":1,"s":"合力"}}'.encode()
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answer(status: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}", "", ""]).encode() + body


class Receiver:
    """A partner's HTTP server: keeps the requests it got, answers from a script, counts how many it holds at once."""

    def __init__(self, script: bytes | Answer) -> None:
        self._script = script
        self._serving: set[asyncio.Task[None]] = set()
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.connections = self.held = self.most = 0

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._serving.add(asyncio.create_task(self._serve(reader, writer)))

    async def stop(self) -> None:
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")[1:-2]
                headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
                self.requests.append((headers, await reader.readexactly(int(headers["content-length"]))))
                await self._answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    async def _answer(self, writer: asyncio.StreamWriter) -> None:
        self.held += 1
        self.most = max(self.most, self.held)
        try:
            if isinstance(self._script, bytes):
                writer.write(self._script)
            else:
                await self._script(writer)
        finally:
            self.held -= 1


@asynccontextmanager
async def receiving(script: bytes | Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[Receiver, str]]:
    """A receiver on a free port, and its URL."""
    receiver = Receiver(script)
    server = await asyncio.start_server(receiver.accept, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield receiver, f"{'https' if tls else 'http'}://127.0.0.1:{port}/hook"
    finally:
        server.close()
        await receiver.stop()


@asynccontextmanager
async def sending(limits: Limits | None = None, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[Webhooks]:
    async def everything_is_here(_host: str, _port: int) -> Sequence[str]:
        return ["127.0.0.1"]

    webhooks = Webhooks(LOOPBACK, limits=limits, resolver=everything_is_here, tls=tls or ssl.create_default_context())
    try:
        yield webhooks
    finally:
        await webhooks.aclose()


def attempt(url: str, *secrets: str, body: bytes = BODY, traceparent: str | None = None) -> Attempt:
    return Attempt(id="dlv_1", number=1, url=url, secrets=secrets or (OURS,), body=body, traceparent=traceparent)


async def outcome(script: bytes | Answer, limits: Limits | None = None) -> Outcome:
    async with receiving(script) as (_, url), sending(limits) as webhooks:
        return await webhooks.perform(attempt(url))


class Certificate:
    """A self-signed certificate of partner.test."""

    def __init__(self, folder: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "partner.test")])
        now = datetime.now(UTC)
        made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("partner.test")]), critical=False)
        pem, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        self.file, self.key = folder / "certificate.pem", folder / "key.pem"
        self.file.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(pem))
        self.key.write_bytes(key.private_bytes(pem, private, serialization.NoEncryption()))

    def server(self, names: list[str]) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        context.sni_callback = lambda _socket, name, _context: names.append(name or "")
        return context
