"""What if a record of our own services cannot be read or applied? It waits with its followers, nobody else does, and it goes on in order."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.contracts import envelope, referral
from shared.contracts.envelope import Event
from shared.identifiers import case_id, leg_id, new_short_code, uuid7
from tests.support.broker import everything, send, until
from tests.support.command import heli
from tests.support.world import Town, World

TOPIC = referral.TOPIC
Headers = list[tuple[str, Any]]
COPIED = "insert into report select (jsonb_populate_record(r, jsonb_build_object('id', $1::uuid, 'code', $2::text))).* from report r where id = $3"


async def say(world: World, event: Event, value: bytes | None = None) -> None:
    """Puts an event of referral's on its topic, as its relay would; `value` in place of its own data."""
    headers: Headers = list(envelope.headers_of(event, id=uuid7(), at=datetime.now(UTC), traceparent=""))
    await send(world.stack.bootstrap, TOPIC, (event.key.encode(), value or envelope.encode(event), headers))


def facts_of(report: UUID, town: Town) -> list[Event]:
    """A leg of a report that intake has never seen: issued, delivered, accepted, fulfilled."""
    case, now = case_id(report, 1), datetime.now(UTC)
    about: dict[str, Any] = {"report": report, "code": "ABCDEFGHJ", "case": case, "leg": leg_id(case, 1), "agency": town.police.code}
    about |= {"department": "police", "duty": "respond", "grade": "red"}
    fact = about | {"at": now, "via": "http"}
    issued = referral.LegIssued(**about, region=town.region, unassigned=False, replaces=None, issued_at=now, due=referral.Dues())
    delivered, accepted = referral.LegDelivered(**fact), referral.LegAccepted(**fact, active_due=None)
    return [issued, delivered, accepted, referral.LegFulfilled(**fact, outcome="child_safe")]


async def parked(world: World, stream: str) -> list[tuple[str, str, str]]:
    document = (await heli(world, "parked", "list", "--json")).document
    return [(row["service"], row["reason"], row["error"]) for row in document["parked"] if row["stream"] == stream]


async def test_what_cannot_be_applied_waits_with_its_followers_and_goes_on_in_order_once_the_cause_is_gone(world: World) -> None:
    town, school, report = await world.town(), world.reporter(), uuid7()
    for event in facts_of(report, town):
        await say(world, event)
    other = await school.files(town, "L1a")
    await until(lambda: progressed(school, other["code"]))
    waiting = [("intake", "rule", "unknown-report"), *[("intake", "behind", "behind")] * 3]
    await until(lambda: all_parked(world, 4))
    assert await parked(world, str(report)) == waiting
    shown = await heli(world, "parked", "list")
    assert (shown.code, shown.out.count(str(report)), "heli parked release STREAM" in shown.out) == (0, 4, True)
    refused = await heli(world, "parked", "release", str(report))
    assert (refused.code, refused.out) == (1, "intake: 0 released, 4 still parked; the first is refused again: unknown-report.\n")
    assert await parked(world, str(report)) == waiting
    await world.databases["intake"].execute(COPIED, report, new_short_code(report.bytes[-5:]), UUID(other["report"]))
    released = await heli(world, "parked", "release", str(report), "--service", "intake")
    assert (released.code, released.out) == (0, "intake: 4 released, nothing of it is parked any more.\n")
    told = await world.journal("intake", "report.progressed", report=report)
    assert [event["fact"] for event in told] == ["delivered", "accepted", "done"]
    again = await heli(world, "parked", "release", str(report))
    assert (again.code, again.out) == (0, f"Nothing is parked under {report}.\n")
    assert (await heli(world, "parked", "list")).out == "Nothing is parked.\n"


async def progressed(school: Any, code: str) -> bool:
    return bool((await school.progress(code))["legs"])


async def all_parked(world: World, count: int) -> bool:
    return sum((await world.parked()).values()) == count


async def test_a_record_that_breaks_its_contract_is_parked_by_each_who_needs_it_and_refused_again_with_its_slug(world: World) -> None:
    town, school = await world.town(), world.reporter()
    broken = facts_of(uuid7(), town)[0]
    await say(world, broken, b'{"report": "no id"}')
    receipt = await school.files(town, "L1a")
    await until(lambda: progressed(school, receipt["code"]))
    await until(lambda: all_parked(world, 2))
    assert await parked(world, broken.subject) == [("intake", "contract", "contract"), ("notification", "contract", "contract")]
    refused = await heli(world, "parked", "release", broken.subject)
    assert (refused.code, refused.out.count("0 released, 1 still parked; the first is refused again: contract.")) == (1, 2)
    rows = (await heli(world, "parked", "list", "--json")).document["parked"]
    for row in (row for row in rows if row["stream"] == broken.subject):  # it will never be right: a person takes it away
        shown = await heli(world, "parked", "show", row["service"], str(row["seq"]))
        assert (shown.document["fields"], "no id" in shown.out) == ({"report": "str"}, False)
        assert (await heli(world, "parked", "discard", row["service"], str(row["seq"]), "--reason", "because")).code == 2
        gone = await heli(world, "parked", "discard", row["service"], str(row["seq"]), "--reason", "not_ours")
        assert gone.code == 0, gone.err
        audited = await world.journal(row["service"], "message.discarded", stream=broken.subject)
        assert [(event["why"], event["actor"]) for event in audited] == [("not_ours", "operator/system")]
    assert await parked(world, broken.subject) == []


async def test_a_stream_that_lies_parked_for_two_minutes_is_told_to_operations(world: World) -> None:
    town, report = await world.town(), uuid7()
    url = world.receiver.url("ops-parked")
    await world.agency("ops-parked", "operations", town.region, None)
    made = await world.as_operator("PUT", "/notification/endpoints/ops-parked", json={"webhook": {"url": url}})
    world.receiver.secrets["ops-parked"] = made.json()["secret"]
    await say(world, facts_of(report, town)[0])
    await until(lambda: all_parked(world, 1))
    await world.databases["intake"].execute("update parked set at = at - interval '3 minutes'")
    told = (await until(lambda: world.receiver.of("ops-parked", "stream.parked")))[0]["data"]
    assert (told["stream"], told["consumer"], told["reason"]) == (str(report), "intake.report", "rule")
    seq = (await heli(world, "parked", "list", "--json")).document["parked"][0]["seq"]
    assert (await heli(world, "parked", "discard", "intake", str(seq), "--reason", "test")).code == 0


async def test_what_is_no_event_at_all_lands_byte_identical_on_the_dead_letter_topic(world: World) -> None:
    town, mark = await world.town(), uuid7().bytes
    headers: Headers = [("note", None), ("ce_type", b"\xff\xfe"), ("note", b"\x00twice")]
    await send(world.stack.bootstrap, TOPIC, (b"\x00key\xff", b"{broken " + mark, headers))
    (record,) = [r for r in await everything(world.stack.bootstrap, TOPIC) if r.value is not None and mark in r.value]
    receipt = await world.reporter().files(town, "L1a")
    await world.leg(receipt["report"], town.police)

    async def buried() -> list[Any]:
        found = [r for r in await everything(world.stack.bootstrap, f"{TOPIC}.dlt") if r.value == record.value]
        return found if len(found) == 3 else []

    letters = await until(buried)
    for letter in letters:
        assert (letter.key, letter.headers[:3]) == (record.key, record.headers)
        told = {name: value.decode() for name, value in letter.headers[3:]}
        assert told.pop("x-dlt-group").endswith(f".{TOPIC}")
        place = {"x-dlt-topic": TOPIC, "x-dlt-partition": str(record.partition), "x-dlt-offset": str(record.offset)}
        assert told == place | {"x-dlt-disposition": "malformed", "x-dlt-error": "missing-ce_specversion"}
    groups = {dict(letter.headers)["x-dlt-group"] for letter in letters}
    assert groups == {f"{service}.{TOPIC}".encode() for service in ("intake", "notification", "guardianship")}
