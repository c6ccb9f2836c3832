"""Is every way of pointing a webhook into our own house refused? The table of section D in real-data.md, row by row."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import urlsplit

import httpcore
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notification.channels.guard import AddressDenied, Guard, Network, Scheme, check_url, resolve

# row, input, what glibc makes of it, verdict
ROWS = [
    line.split()
    for line in """\
1 127.0.0.1 same deny
2 127.1 127.0.0.1 deny
3 2130706433 127.0.0.1 deny
4 0177.0.0.1 127.0.0.1 deny
5 0x7f.0.0.1 127.0.0.1 deny
6 0x7f000001 127.0.0.1 deny
7 017700000001 127.0.0.1 deny
8 10.1 10.0.0.1 deny
9 127.0.0.1. error deny
10 0.0.0.0 same deny
11 0.1.2.3 same deny
12 10.0.0.1 same deny
13 172.16.0.1 same deny
14 172.32.0.1 same allow
15 192.168.1.1 same deny
16 100.64.0.1 same deny
17 100.100.100.200 same deny
18 100.128.0.1 same allow
19 169.254.169.254 same deny
20 169.254.0.23 same deny
21 192.0.0.192 same deny
22 192.0.2.1 same deny
23 198.18.0.1 same deny
24 192.88.99.1 same deny
25 224.0.0.1 same deny
26 239.255.255.250 same deny
27 240.0.0.1 same deny
28 255.255.255.255 same deny
29 168.63.129.16 same deny
30 8.8.8.8 same allow
31 ::1 same deny
32 :: same deny
33 ::127.0.0.1 same deny
34 ::ffff:127.0.0.1 same deny
35 ::ffff:7f00:1 same deny
36 ::ffff:169.254.169.254 same deny
37 ::ffff:8.8.8.8 same allow
38 ::ffff:0:127.0.0.1 same deny
39 64:ff9b::7f00:1 same deny
40 64:ff9b::a9fe:a9fe same deny
41 64:ff9b:1::7f00:1 same deny
42 2002:7f00:1:: same deny
43 2002:a9fe:a9fe:: same deny
44 2001:0:7f00:1:: same deny
45 2001:db8::1 same deny
46 3fff::1 same deny
47 5f00::1 same deny
48 fc00::1 same deny
49 fd00:ec2::254 same deny
50 fe80::1 same deny
51 fe80::1%eth0 same deny
52 fe80::1%25eth0 error deny
53 fec0::1 same deny
54 ff02::1 same deny
55 2001:4860:4860::8888 same allow
56 １２７.０.０.１ 127.0.0.1 deny
57 ①②⑦.⓪.⓪.① 127.0.0.1 deny
58 127。0。0。1 127.0.0.1 deny
59 127.0.0.1%00 error deny
60 0 0.0.0.0 deny
""".splitlines()
]
ALLOWED = [host for _, host, _, verdict in ROWS if verdict == "allow"]
DENIED = [host for _, host, _, verdict in ROWS if verdict == "deny"]
PUBLIC_TO_OTHERS = ["2001:1::1", "2001:20::1", "4000::1"]  # what some Python calls global
RESOLVED = [host if found == "same" else found for _, host, found, verdict in ROWS if verdict == "deny" and found != "error"]
MALFORMED = {
    61: ["https://8.8.8.8@127.0.0.1/"],
    62: ["https://127.0.0.1@8.8.8.8/", "https://a:b@partner.test/"],
    63: ["https://8.8.8.8\\@127.0.0.1/", "https://partner.test/\\x"],
    64: ["https://8.8.8.8\t@127.0.0.1/", "https://partner.test/\n", "https://partner.test/\x00", "https://partner\u200b.test/"],
    65: [" https://127.0.0.1/", "\u00a0https://127.0.0.1/", "https://partner.test/ "],
    66: ["https://127。0。0。1/"],
    67: ["https://ｌｏｃａｌｈｏｓｔ/"],
    74: ["http://127.0.0.1:99999/", "https://partner.test:99999/", "https://partner.test:0/", "https://8.8.8.8:x/"],
    75: ["https:///127.0.0.1/", "https:127.0.0.1/", "//127.0.0.1/", "file:///etc/passwd", "gopher://partner.test/", "https://", ""],
    76: ["https://ex%61mple.com/", "https://a_b.test/", "https://a..test/", "https://-a.test/", f"https://{'a' * 64}.test/"],
}
OWN = {  # rows 68 to 71: names that only their addresses give away
    "localhost": ["127.0.0.1", "::1"],
    "localhost.": ["127.0.0.1"],
    "localhost.localdomain": ["127.0.0.1"],
    "metadata.azure.example": ["169.254.169.254"],
    "127.0.0.1.nip.io": ["127.0.0.1"],
    "both.test": ["8.8.8.8", "10.0.0.1"],
    "both-reversed.test": ["10.0.0.1", "8.8.8.8"],
    "v6.test": ["8.8.8.8", "::ffff:10.0.0.1"],
    "none.test": [],
}
INTRANET = [ipaddress.ip_network("10.20.0.0/16"), ipaddress.ip_network("fd00:1::/32")]


class Wire(httpcore.AsyncMockBackend):
    """Notes where a connection would have gone; `dead` addresses refuse."""

    def __init__(self, dead: Sequence[str] = ()) -> None:
        super().__init__([])
        self.reached: list[tuple[str, int]] = []
        self._dead = dead

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.reached.append((host, port))
        if host in self._dead:
            raise httpcore.ConnectError
        return await super().connect_tcp(host, port, timeout, local_address, socket_options)


class Names:
    """A resolver that answers from a table: the next list on every question, or the host itself if it is an address."""

    def __init__(self, answers: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._answers = {host: list(lists) for host, lists in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        assert port > 0
        self.asked.append(host)
        if host in self._answers:
            return self._answers[host].pop(0)
        return [host]


async def connected(url: str, *addresses: str, networks: Sequence[Network] = ()) -> list[tuple[str, int]]:
    """Where a request to this URL would go, judged as written and as resolved."""
    check_url(url, networks)
    parsed = httpx.URL(url)
    scheme: Scheme = "https" if parsed.scheme == "https" else "http"
    wire, names = Wire(), Names({parsed.host: [addresses]} if addresses else {})
    await Guard(scheme, networks, names, wire).connect_tcp(parsed.host, parsed.port or {"https": 443, "http": 80}[scheme])
    return wire.reached


def written(host: str) -> str:
    return f"https://[{host}]/hook" if ":" in host else f"https://{host}/hook"


def test_the_table_is_whole() -> None:
    assert [int(row) for row, *_ in ROWS] == list(range(1, 61))
    assert (len(ALLOWED), len(DENIED)) == (5, 55)


@pytest.mark.parametrize("host", ALLOWED)
async def test_a_public_address_is_reached_unwrapped(host: str) -> None:
    assert await connected(written(host)) == [(host.removeprefix("::ffff:"), 443)]


@pytest.mark.parametrize("host", DENIED)
def test_an_inner_address_is_refused_as_written(host: str) -> None:
    with pytest.raises(AddressDenied):
        check_url(written(host), [])


@pytest.mark.parametrize("address", RESOLVED + PUBLIC_TO_OTHERS)
async def test_a_name_with_an_inner_address_is_refused_before_anything_is_sent(address: str) -> None:
    wire = Wire()
    with pytest.raises(AddressDenied, match="address"):
        await Guard("https", [], Names({"partner.test": [[address]]}), wire).connect_tcp("partner.test", 443)
    assert wire.reached == []


@pytest.mark.parametrize("url", [url for urls in MALFORMED.values() for url in urls])
@pytest.mark.parametrize("networks", [[], [ipaddress.ip_network("127.0.0.0/8")]])
def test_a_url_that_two_parsers_may_read_in_two_ways_is_refused(url: str, networks: list[Network]) -> None:
    with pytest.raises(AddressDenied):
        check_url(url, networks)
    with pytest.raises(AddressDenied):
        check_url(url.replace("https:", "http:"), networks)


@pytest.mark.parametrize(("host", "addresses"), OWN.items())
async def test_a_name_is_judged_by_every_address_it_has(host: str, addresses: list[str]) -> None:
    check_url(f"https://{host}/", [])
    wire = Wire()
    with pytest.raises((AddressDenied, httpcore.ConnectError)):
        await Guard("https", [], Names({host: [addresses]}), wire).connect_tcp(host, 443)
    assert wire.reached == []


@pytest.mark.parametrize("host", ["metadata.tencentyun.com", "metadata.google.internal", "METADATA.google.internal."])
def test_a_known_metadata_name_is_refused_without_asking(host: str) -> None:
    with pytest.raises(AddressDenied, match="name"):
        check_url(f"https://{host}/", INTRANET)


async def test_a_name_is_asked_once_and_the_judged_address_is_the_one_reached() -> None:
    names, wire = Names({"rebinding.test": [["8.8.8.8"], ["127.0.0.1"]]}), Wire()
    guard = Guard("https", [], names, wire)
    await guard.connect_tcp("rebinding.test", 443)
    with pytest.raises(AddressDenied):
        await guard.connect_tcp("rebinding.test", 443)
    assert (names.asked, wire.reached) == (["rebinding.test"] * 2, [("8.8.8.8", 443)])


async def test_the_next_judged_address_is_tried_when_one_is_dead() -> None:
    wire = Wire(dead=["2001:4860::1"])
    await Guard("https", [], Names({"two.test": [["2001:4860::1", "8.8.8.8"]]}), wire).connect_tcp("two.test", 443, timeout=3)
    assert [host for host, _ in wire.reached] == ["2001:4860::1", "8.8.8.8"]


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://8.8.8.8/", "scheme"),
        ("http://8.8.8.8:443/", "scheme"),
        ("https://8.8.8.8:8443/", "port"),
        ("http://partner.test/", "scheme"),
        ("https://partner.test:444/", "port"),
        ("ftp://8.8.8.8/", "scheme"),
    ],
)
def test_only_https_on_443_leaves_for_the_public_net(url: str, rule: str) -> None:
    with pytest.raises(AddressDenied, match=rule):
        check_url(url, [])


@pytest.mark.parametrize(
    "url", ["https://partner.test", "https://partner.test:443/a?b=c#d", "HTTPS://PARTNER.test./", "https://民政.中国/"]
)
async def test_an_ordinary_https_url_passes(url: str) -> None:
    assert await connected(url, "8.8.8.8") == [("8.8.8.8", 443)]


@pytest.mark.parametrize(("address", "port"), [("10.20.0.1", 80), ("10.20.255.255", 8080), ("::ffff:10.20.0.9", 1), ("fd00:1::7", 65535)])
async def test_a_configured_network_may_be_reached_by_http_on_any_port(address: str, port: int) -> None:
    reached = [(address.removeprefix("::ffff:"), port)]
    assert await connected(written(address).replace("https:", "http:").replace("/hook", f":{port}/hook"), networks=INTRANET) == reached
    assert await connected(f"http://bureau.test:{port}/", address, networks=INTRANET) == reached


@pytest.mark.parametrize(
    ("url", "addresses", "rule"),
    [
        ("https://bureau.test/", ["10.21.0.1"], "address"),
        ("https://bureau.test/", ["10.20.0.1", "10.21.0.1"], "address"),
        ("https://bureau.test/", ["127.0.0.1"], "address"),
        ("http://bureau.test/", ["8.8.8.8"], "scheme"),
        ("http://bureau.test:443/", ["8.8.8.8"], "scheme"),
        ("https://bureau.test:8443/", ["10.20.0.1", "8.8.8.8"], "port"),
        ("http://8.8.8.8/", [], "scheme"),
        ("https://8.8.8.8:8443/", [], "port"),
        ("http://127.0.0.1/", [], "address"),
        ("http://[fe80::1]/", [], "address"),
    ],
)
async def test_a_configured_network_opens_nothing_else(url: str, addresses: list[str], rule: str) -> None:
    with pytest.raises(AddressDenied, match=rule):
        await connected(url, *addresses, networks=INTRANET)


async def test_a_zone_is_refused_even_inside_a_configured_network() -> None:
    with pytest.raises(AddressDenied):
        await connected("https://bureau.test/", "fe80::1%eth0", networks=[ipaddress.ip_network("fe80::/10")])


async def test_an_address_is_its_own_answer() -> None:
    assert [await resolve(host, 443) for host in ("8.8.8.8", "::1")] == [["8.8.8.8"], ["::1"]]


@given(st.text(max_size=40), st.sampled_from(["", "https://", "http://", "https://[", "https://a.", "https://1."]))
def test_whatever_is_written_is_judged_without_a_crash_and_read_alike_by_both_parsers(text: str, start: str) -> None:
    url = start + text
    try:
        check_url(url, [])
    except AddressDenied:
        return
    host = httpx.URL(url).raw_host.decode()
    assert host == (urlsplit(url).hostname or "") or not urlsplit(url).netloc.isascii()
