"""Can one see what became of a report? Its journey by hand and by command, and one trace per act through everything."""

import signal
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from tests.support import canaries
from tests.support.broker import until
from tests.support.command import heli
from tests.support.traces import CLIENT, CONSUMER, SERVER, Span, Traces
from tests.support.world import Reporter, Town, World

TELLING: dict[str, Any] = {"facts": canaries.FACTS, "received_by": canaries.RECEIVER, "children": canaries.CHILDREN[:1]}


async def test_the_journey_of_a_report_says_who_was_told_by_which_attempt_and_who_accepted(world: World) -> None:
    town = await world.town()
    await town.police.takes(webhook=True)
    await town.civil_affairs.takes(feed=True)
    world.receiver.answers[town.police.code] = lambda attempt: 500 if attempt == 1 else 204
    receipt = await world.reporter().files(town, "L1a")
    for agency in (town.police, town.civil_affairs):
        await world.leg_that(receipt["report"], agency, delivered=True)
    await town.police.answers(await world.leg(receipt["report"], town.police), "accepted")
    typed = await heli(world, "trace", receipt["code"])
    assert (typed.code, typed.err) == (0, "")
    assert typed.out.startswith(f"report  {receipt['code']}  {receipt['report']}\nregion  {town.village}\n")
    happened = [
        f"{town.police.code} (police) owes ",
        f"{town.police.code} not reached with leg.issued via webhook, attempt 1: status-500",
        f"{town.police.code} told of leg.issued via webhook, attempt 2",
        f"delivered to {town.police.code}",
        f"accepted by {town.police.code}/system via http",
    ]
    assert [typed.out.index(text) for text in happened] == sorted(typed.out.index(text) for text in happened)
    assert f"{town.civil_affairs.code} told of leg.issued via topic, attempt 1" in typed.out
    assert f"{town.police.code}  accepted; next: active in " in typed.out
    document = (await heli(world, "trace", receipt["report"], "--json")).document
    assert {entry["service"] for entry in document["entries"]} == {"intake", "referral", "guardianship", "notification"}
    assert all(entry["says"] in typed.out and len(entry["trace"]) == 32 for entry in document["entries"][:20])


async def test_an_unknown_code_and_a_wrong_token_are_told_apart(world: World) -> None:
    for unknown in (str(uuid4()), "0000-0000-0", "AAAA-AAAA-A", "what/ever"):
        typed = await heli(world, "trace", unknown)
        assert (typed.code, typed.out) == (3, "")
        assert unknown in typed.err
    town = await world.town()
    for token in (town.police.token, "nonsense"):
        typed = await heli(world, "trace", str(uuid4()), token=token)
        assert (typed.code, token in typed.out + typed.err, "Repair" in typed.err) == (2, False, True)


class Told(msgspec.Struct, frozen=True):
    """A world whose spans are collected, and a report in it that went all ways."""

    world: World
    traces: Traces
    town: Town
    school: Reporter
    receipt: dict[str, Any]
    filed: Span
    links: list[str]


@pytest.fixture(scope="module")
async def told(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Told]:
    traces = Traces()
    world = World(
        tmp_path_factory.mktemp("traced"), environment={"OTEL_EXPORTER_OTLP_ENDPOINT": traces.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
    )
    await world.start()
    try:
        yield await carried(world, traces)
    finally:
        await world.stop()
        traces.stop()


async def carried(world: World, traces: Traces) -> Told:
    """One webhook fails once, one is taken at once; an answer by HTTP, one by link, a reading, and silence until a clock runs out."""
    town, school = await world.town(), world.reporter()
    for agency in (town.police, town.civil_affairs):
        await agency.takes(webhook=True)
    world.receiver.answers[town.police.code] = lambda attempt: 500 if attempt == 1 else 204
    receipt = await school.files(town, "L1a", **TELLING)
    report = receipt["report"]
    for agency in (town.police, town.civil_affairs):
        await world.leg_that(report, agency, delivered=True)
    await town.police.answers(await world.leg(report, town.police), "accepted")
    links = [world.receiver.of(agency.code)[0]["data"]["link"] for agency in (town.police, town.civil_affairs)]
    await world.http.post(links[1].removeprefix(world.stack.url))
    await world.leg_that(report, town.civil_affairs, accepted=True)
    assert (await town.police.call("GET", f"/intake/reports/{receipt['code']}")).status_code == 200
    await school.progress(receipt["code"])
    await world.forward(hours=2)
    await until(lambda: world.journal("referral", "leg.overdue", report=report))
    (filed,) = await until(lambda: traces.of(lambda span: (span.name, span.kind) == ("POST /intake/reports", SERVER)))
    return Told(world, traces, town, school, receipt, filed, links)


async def test_a_report_is_one_trace_through_http_outbox_kafka_batch_and_webhook(told: Told) -> None:
    def arrived() -> list[Span]:
        return [span for span in told.traces.of_trace(told.filed.trace) if span.kind == CLIENT and "200" <= status(span) < "300"]

    (sent,) = await until(arrived)
    for service in ("referral", "notification", "guardianship", "intake"):
        await until(partial(processed, told, service))
    path = told.traces.path(sent)
    assert [(span.service, span.name) for span in reversed(path)] == [
        ("heli-intake", "POST /intake/reports"),
        ("heli-intake", "apply intake.report"),
        ("heli-referral", "process heli.intake.v1"),
        ("heli-notification", "process heli.referral.v1"),
        ("heli-notification", "POST webhook"),
    ]
    for span in told.traces.of_trace(told.filed.trace):
        assert told.traces.path(span)[-1] == told.filed, span
    webhook = told.world.receiver.of(told.town.civil_affairs.code)[0]["id"]
    (heard,) = (headers["traceparent"] for headers in told.world.receiver.heard if headers["webhook-id"] == webhook)
    assert heard.split("-")[1:3] == [told.filed.trace, sent.id]


def status(span: Span) -> str:
    return span.attributes.get("http.response.status_code", "")


def processed(told: Told, service: str) -> list[Span]:
    return [span for span in told.traces.of_trace(told.filed.trace) if (span.service, span.kind) == (f"heli-{service}", CONSUMER)]


async def test_a_retry_an_answer_and_a_deadline_start_a_trace_of_their_own_and_link_back(told: Told) -> None:
    (retried,) = await until(lambda: told.traces.of(lambda span: span.attributes.get("http.request.resend_count") == "1"))
    assert (retried.parent, retried.links) == ("", (told.filed.trace,))
    (answered,) = await until(lambda: told.traces.of(lambda span: span.name == "POST /referral/legs/{leg}/{answer}"))
    (applied,) = (span for span in told.traces.of_trace(answered.trace) if span.name == "apply referral.case")
    assert (answered.parent, applied.parent, applied.links) == ("", answered.id, (told.filed.trace,))
    follow = {"heli-referral", "heli-intake", "heli-notification"}

    def linked() -> bool:
        back = told.traces.of(lambda span: (span.trace, span.links) == (answered.trace, (told.filed.trace,)))
        return {span.service for span in back} == follow

    await until(linked)
    document = (await heli(told.world, "trace", told.receipt["code"], "--json")).document
    by_type = {entry["type"]: entry["trace"] for entry in document["entries"]}
    assert (by_type["report.accepted"], by_type["case.opened"]) == (told.filed.trace, told.filed.trace)
    (ticked,) = await until(lambda: [s for s in told.traces.of_trace(by_type["leg.overdue"]) if s.name == "tick referral.case"])
    assert (ticked.parent, ticked.links) == ("", (told.filed.trace,))


async def test_every_span_of_a_report_or_case_says_so(told: Told) -> None:
    (case,) = await told.world.referral(told.receipt["report"])
    kinds = ("process ", "tick referral", "tick notification.notice", "apply intake", "apply referral.case", "apply notification.notice")
    doors = ("POST webhook", "POST /intake/reports", "POST /referral/legs/{leg}/{answer}", "GET /intake/reports/{report}")

    def concerned() -> list[Span]:
        return told.traces.of(lambda span: span.name.startswith(kinds) or span.name in doors)

    await until(lambda: {span.name for span in concerned()} > set(doors))
    marks = {"heli.report": told.receipt["report"], "heli.case": case["case"]}
    for span in concerned():
        found = {name: value for name, value in span.attributes.items() if name in marks}
        assert found, span
        assert found.items() <= marks.items(), span


async def test_no_span_holds_a_personal_value_a_token_or_a_link(told: Told) -> None:
    sent = b"\n".join(told.traces.raw)
    tokens = [told.school.token, told.world.operator, *(agency.token for agency in told.town.agencies.values())]
    secrets = [*told.world.receiver.secrets.values(), told.world.state.link_key, told.world.state.child_key]
    links = [link.rsplit("/", 1)[1] for link in told.links]
    values = [*canaries.ALL, *tokens, *secrets, *links, told.receipt["code"], told.receipt["code"].replace("-", ""), "/hooks/", "eyJ"]
    assert len(sent) > 10_000
    assert not [value for value in values if value.encode() in sent]


async def test_where_a_service_does_not_answer_the_rest_is_shown_and_the_part_is_named(told: Told) -> None:
    await told.world.stack.kill("guardianship", signal.SIGKILL)
    typed = await heli(told.world, "trace", told.receipt["code"])
    assert (typed.code, "missing: guardianship journal answers 503 unavailable" in typed.out) == (4, True)
    assert f"accepted by {told.town.police.code}/system via http" in typed.out
    parked = await heli(told.world, "parked", "list")
    assert (parked.code, parked.out, "guardianship: answers 503" in parked.err) == (4, "", True)
    await told.world.stack.kill("intake", signal.SIGKILL)
    by_code, by_id = [await heli(told.world, "trace", told.receipt[name]) for name in ("code", "report")]
    assert (by_code.code, "missing: intake" in by_code.out, "With the report's id it can" in by_code.out) == (4, True, True)
    assert (by_id.code, f"report  {told.receipt['code']}  {told.receipt['report']}" in by_id.out, "owes" in by_id.out) == (4, True, True)
