"""Which addresses may an outgoing request reach? Partners choose the URLs, so none of them may point into our own house.

Judged twice: `check_url` judges what is written (no network), `Guard` judges what a name resolves to and connects to exactly
the address it has judged, so that a name cannot answer differently the second time.
"""

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import httpcore
import httpx

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Scheme = Literal["http", "https"]
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

HTTPS_PORT = 443
LAST_PORT = 65535
TRIED_ADDRESSES = 3

# `is_global` differs between patch releases of Python and calls some of these public: the list decides, not the release.
_DENIED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "192.0.0.0/24",  # protocol assignments, Oracle's metadata among them
        "192.88.99.0/24",  # 6to4 relays
        "168.63.129.16/32",  # Azure's metadata
        "2001::/23",  # protocol assignments, Teredo among them
        "2002::/16",  # 6to4: carries any IPv4 address
        "3fff::/20",  # documentation
    )
)
_UNICAST6 = ipaddress.ip_network("2000::/3")  # leaves out NAT64, translated, site-local, multicast and what nobody has assigned yet
_METADATA = frozenset({"metadata", "metadata.google.internal", "metadata.tencentyun.com", "instance-data", "instance-data.ec2.internal"})
_SCHEME = re.compile(r"https?://", re.IGNORECASE)
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")
_NUMBER = re.compile(r"(.*\.)?(\d+|0x[0-9a-f]*)")

# A partner's slow name server must not take the threads with which this process finds its own database and broker.
_THREADS = ThreadPoolExecutor(8, thread_name_prefix="webhook-names")


class AddressDenied(Exception):  # noqa: N818 - says what happened, as the other refusals do
    """The guard refuses this target; nothing was sent.

    `rule` is a slug: characters, scheme, userinfo, form, host, name, port, address.
    """

    def __init__(self, rule: str) -> None:
        super().__init__(rule)
        self.rule = rule


def check_url(url: str, networks: Sequence[Network]) -> httpx.URL:
    """Judge a URL as written, without asking the network, and return it as it was read.

    Plain http and ports other than 443 pass only towards `networks`. For a name that is not known before it is resolved, so with
    any network configured a name passes here and `Guard` decides when it connects.

    Raises:
        AddressDenied: naming the rule that was broken.
    """
    authority = _authority(url)
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        raise AddressDenied("form") from None
    scheme: Scheme = "https" if parsed.scheme == "https" else "http"
    port = parsed.port if parsed.port is not None else {"https": HTTPS_PORT, "http": 80}[scheme]
    if not 0 < port <= LAST_PORT:
        raise AddressDenied("port")
    host = parsed.raw_host.decode("ascii")
    if (literal := _literal(host)) is None:
        _check_name(host)
        _check_service(scheme, port, allowed=bool(networks))
    elif not authority.isascii():  # digits or dots of another script: written by nobody in good faith
        raise AddressDenied("host")
    else:
        judge(literal, networks, scheme, port)
    return parsed


def judge(address: Address, networks: Sequence[Network], scheme: Scheme, port: int) -> Address:
    """Return the address to connect to (an IPv4 address out of its IPv6 wrapping), if it may be reached.

    Raises:
        AddressDenied: `address` if it is not public, `scheme` or `port` if it is public and not https on 443.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise AddressDenied("address")
        address = address.ipv4_mapped or address
    if any(address in network for network in networks):
        return address
    if not _public(address):
        raise AddressDenied("address")
    _check_service(scheme, port, allowed=False)
    return address


async def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a name as the system's resolver gives them.

    Raises:
        OSError: the name has none, or nobody could be asked.
    """
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(_THREADS, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return [str(entry[4][0]) for entry in found]


class Guard(httpcore.AsyncNetworkBackend):
    """Opens connections for one scheme, to judged addresses only. TLS and the Host header keep the name."""

    def __init__(
        self,
        scheme: Scheme,
        networks: Sequence[Network],
        resolver: Resolver = resolve,
        inner: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        self._scheme = scheme
        self._networks = networks
        self._resolver = resolver
        self._inner = inner or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve once, judge every address, connect to the first judged one that answers; `timeout` (seconds) covers it all.

        Raises:
            AddressDenied: any address of the name is refused, even if others would do.
            httpcore.ConnectTimeout, httpcore.ConnectError: as without a guard.
        """
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._judged(host, port)
                share = timeout and timeout / len(addresses)
                return await self._first(addresses, port, share, local_address, socket_options)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(error) from error
        except OSError as error:
            raise httpcore.ConnectError(error) from error

    async def _judged(self, host: str, port: int) -> list[Address]:
        found = [ipaddress.ip_address(text) for text in await self._resolver(host, port)]
        judged = [judge(address, self._networks, self._scheme, port) for address in found]
        if not judged:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        return list(dict.fromkeys(judged))[:TRIED_ADDRESSES]

    async def _first(
        self,
        addresses: list[Address],
        port: int,
        share: float | None,
        local_address: str | None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None,
    ) -> httpcore.AsyncNetworkStream:
        *others, last = addresses
        for address in others:
            try:
                return await self._inner.connect_tcp(str(address), port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(str(last), port, share, local_address, socket_options)


class GuardedTransport(httpx.AsyncHTTPTransport):
    """What httpx sends through, for the URLs of one scheme: no proxy, no retry, no HTTP/2, `connections` at most."""

    def __init__(self, guard: Guard, tls: ssl.SSLContext, connections: int) -> None:
        super().__init__(verify=tls, trust_env=False)
        # httpx has no public way to choose the backend; a proxy variable must not choose another pool either.
        self._pool = httpcore.AsyncConnectionPool(ssl_context=tls, max_connections=connections, network_backend=guard)


def _authority(url: str) -> str:
    """The part between `//` and the path, free of everything that two parsers might read in two ways."""
    if not url.isprintable() or " " in url or "\\" in url:
        raise AddressDenied("characters")
    if not _SCHEME.match(url):
        raise AddressDenied("scheme")
    authority = re.split(r"[/?#]", url.split("//", 1)[1], maxsplit=1)[0]
    if "@" in authority:
        raise AddressDenied("userinfo")
    if not authority:
        raise AddressDenied("host")
    return authority


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _check_name(host: str) -> None:
    name = host.removesuffix(".")
    # The system's resolver reads 127.1, 0x7f000001 and the like as addresses; a name never ends in a number.
    if not _NAME.fullmatch(name) or _NUMBER.fullmatch(name):
        raise AddressDenied("host")
    if name in _METADATA:
        raise AddressDenied("name")


def _check_service(scheme: Scheme, port: int, *, allowed: bool) -> None:
    if allowed:
        return
    if scheme != "https":
        raise AddressDenied("scheme")
    if port != HTTPS_PORT:
        raise AddressDenied("port")


def _public(address: Address) -> bool:
    if address.is_multicast or address.is_unspecified or not address.is_global:
        return False
    if address.version == _UNICAST6.version and address not in _UNICAST6:
        return False
    return not any(address in network for network in _DENIED)
