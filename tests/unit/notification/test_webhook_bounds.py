"""Does a webhook stay within its bounds: time, size, attempts at once, and the name that TLS must prove?"""

import asyncio
import ssl
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from services.notification.channels.webhook import ANSWER_BYTES, Limits, Webhooks
from tests.unit.notification.receiver import NO_CONTENT, Certificate, answer, attempt, outcome, receiving, sending


async def test_a_receiver_that_never_answers_ends_at_the_limit() -> None:
    async def silence(_writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    told = await outcome(silence, Limits(total=0.05))
    assert (told.result, told.status, told.error) == ("retry", None, "timeout")
    assert told.seconds < 5


async def test_a_receiver_that_sends_a_little_now_and_then_gains_no_time() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nx: ")
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.01)

    told = await outcome(drip, Limits(total=0.05))
    assert (told.result, told.error) == ("retry", "timeout")
    assert told.seconds < 5


async def test_a_status_that_was_heard_counts_though_the_body_never_ends() -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx")
        await asyncio.Event().wait()

    told = await outcome(drip, Limits(rest=0.01))
    assert (told.result, told.status) == ("delivered", 200)
    assert told.seconds < 5


async def test_a_name_server_that_never_answers_ends_at_the_limit_of_connecting() -> None:
    async def silence(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    webhooks = Webhooks(limits=Limits(connect=0.01), resolver=silence)
    told = await webhooks.perform(attempt("https://partner.test/"))
    await webhooks.aclose()
    assert (told.result, told.error) == ("retry", "timeout")
    assert told.seconds < 5


async def test_of_a_huge_answer_only_the_beginning_is_read() -> None:
    written = 0
    hung_up = asyncio.Event()

    async def flood(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        try:
            while True:
                writer.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")
                written += 0x10000
                await writer.drain()
        except ConnectionError:
            hung_up.set()
            raise

    async with receiving(flood) as (_, url), sending(Limits(overall=1)) as webhooks:
        told = await webhooks.perform(attempt(url))
        await hung_up.wait()
        again = await webhooks.perform(attempt(url))  # its connection was given back
    assert (told.result, again.result) == ("delivered", "delivered")
    assert written < 400 * ANSWER_BYTES  # what the kernel's buffers of both sides took on top of it


async def test_connections_are_used_again_and_cookies_are_not_kept() -> None:
    async with receiving(answer("200 OK", "set-cookie: a=b; path=/", body=b"x" * 1000)) as (receiver, url), sending() as webhooks:
        for _ in range(3):
            await webhooks.perform(attempt(url))
    assert (receiver.connections, len(receiver.requests)) == (1, 3)
    assert all("cookie" not in headers for headers, _ in receiver.requests)


async def test_a_slow_host_holds_up_only_itself() -> None:
    full, released = asyncio.Event(), asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        if receiver.held == 2:
            full.set()
        await released.wait()
        writer.write(NO_CONTENT)

    limits = Limits(per_host=2, overall=3)
    async with receiving(slow) as (receiver, url), receiving(NO_CONTENT) as (_, quick), sending(limits) as webhooks:
        waiting = [asyncio.create_task(webhooks.perform(attempt(url))) for _ in range(5)]
        await full.wait()
        told = await webhooks.perform(attempt(quick.replace("127.0.0.1", "other.test")))
        assert (told.result, len(receiver.requests)) == ("delivered", 2)
        released.set()
        assert {one.result for one in await asyncio.gather(*waiting)} == {"delivered"}
    assert receiver.most == 2


async def test_who_finds_no_free_slot_comes_back_later() -> None:
    begun, released = asyncio.Event(), asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        begun.set()
        await released.wait()
        writer.write(NO_CONTENT)

    async with receiving(slow) as (receiver, url), sending(Limits(per_host=1, wait=0.01)) as webhooks:
        first = asyncio.create_task(webhooks.perform(attempt(url)))
        await begun.wait()
        second = await webhooks.perform(attempt(url))
        assert (second.result, second.error, len(receiver.requests)) == ("retry", "busy", 1)
        released.set()
        assert (await first).result == "delivered"
        assert (await webhooks.perform(attempt(url))).result == "delivered"


async def test_all_hosts_together_have_a_limit() -> None:
    begun, released = asyncio.Event(), asyncio.Event()

    async def slow(writer: asyncio.StreamWriter) -> None:
        begun.set()
        await released.wait()
        writer.write(NO_CONTENT)

    async with receiving(slow) as (_, url), sending(Limits(overall=1, wait=0.01)) as webhooks:
        first = asyncio.create_task(webhooks.perform(attempt(url)))
        await begun.wait()
        assert (await webhooks.perform(attempt(url.replace("127.0.0.1", "other.test")))).error == "busy"
        released.set()
        assert (await first).result == "delivered"


async def test_cancelling_is_not_an_outcome_and_frees_the_slot() -> None:
    begun = asyncio.Event()

    async def silent_once(writer: asyncio.StreamWriter) -> None:
        if not begun.is_set():
            begun.set()
            await asyncio.Event().wait()
        writer.write(NO_CONTENT)

    async with receiving(silent_once) as (_, url), sending(Limits(per_host=1)) as webhooks:
        first = asyncio.create_task(webhooks.perform(attempt(url)))
        await begun.wait()
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await webhooks.perform(attempt(url))).result == "delivered"


async def test_closing_ends_what_is_under_way_with_an_outcome() -> None:
    begun = asyncio.Event()

    async def silence(_writer: asyncio.StreamWriter) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with receiving(silence) as (_, url), sending() as webhooks:
        first = asyncio.create_task(webhooks.perform(attempt(url)))
        await begun.wait()
        await webhooks.aclose()
        assert ((await first).result, (await webhooks.perform(attempt(url))).result) == ("retry", "retry")


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return Certificate(tmp_path)


async def test_tls_and_host_keep_the_name_of_the_checked_address(certificate: Certificate) -> None:
    names: list[str] = []
    trusting = ssl.create_default_context(cafile=str(certificate.file))
    async with receiving(NO_CONTENT, certificate.server(names)) as (receiver, url), sending(tls=trusting) as webhooks:
        named = url.replace("127.0.0.1", "partner.test")
        told = await webhooks.perform(attempt(named))
    assert (told.result, names) == ("delivered", ["partner.test"])
    assert receiver.requests[0][0]["host"] == httpx.URL(named).netloc.decode()


async def test_a_certificate_that_is_not_trusted_or_of_another_name_ends_the_attempt(certificate: Certificate) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate.file))
    async with receiving(NO_CONTENT, certificate.server([])) as (receiver, url), sending() as strict, sending(tls=trusting) as webhooks:
        told = [
            await strict.perform(attempt(url.replace("127.0.0.1", "partner.test"))),
            await webhooks.perform(attempt(url.replace("127.0.0.1", "other.test"))),
            await webhooks.perform(attempt(url)),
        ]
    assert [(one.result, one.error) for one in told] == [("retry", "tls")] * 3
    assert receiver.requests == []


async def test_proxy_variables_are_ignored(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    trusting = ssl.create_default_context(cafile=str(certificate.file))
    async with receiving(NO_CONTENT, certificate.server([])) as (_, url), sending(tls=trusting) as webhooks:
        assert (await webhooks.perform(attempt(url.replace("127.0.0.1", "partner.test")))).result == "delivered"
