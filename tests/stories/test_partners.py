"""Can one partner's trouble delay another, or be lost? Down receivers, illegal answers, records that are no answers."""

import asyncio
from typing import Any
from uuid import uuid4

from tests.support.broker import send, until
from tests.support.world import World


async def test_a_webhook_receiver_that_is_down_for_a_while_gets_it_later_under_the_same_id(world: World) -> None:
    town = await world.town()
    await town.civil_affairs.takes(webhook=True)
    world.receiver.answers[town.civil_affairs.code] = lambda attempt: 500 if attempt <= 2 else 204
    receipt = await world.reporter().files(town, "L2")
    await world.leg_that(receipt["report"], town.civil_affairs, delivered=True)
    attempts = world.receiver.attempts[town.civil_affairs.code]
    assert (len(attempts), len({delivery for delivery, _ in attempts})) == (3, 1)
    assert len(world.receiver.of(town.civil_affairs.code)) == 1
    delayed = await world.journal("notification", "notice.delayed", party=town.civil_affairs.code)
    assert [event["error"] for event in delayed] == ["status-500", "status-500"]


async def test_a_notice_for_a_party_that_nobody_can_reach_yet_waits_and_arrives_when_it_registers(world: World) -> None:
    town = await world.town()
    receipt = await world.reporter().files(town, "L2")
    await until(lambda: world.journal("notification", "notice.unroutable", party=town.police.code))
    await town.police.takes(feed=True)
    await world.leg_that(receipt["report"], town.police, delivered=True)


async def test_a_late_illegal_answer_by_topic_is_refused_on_the_feed_while_another_agency_answers(world: World) -> None:
    town = await world.town()
    await town.police.takes(feed=True)
    await town.civil_affairs.takes(feed=True)
    receipt = await world.reporter("hospital").files(town, "M6")
    police = await world.leg_that(receipt["report"], town.police, delivered=True)
    civil = await world.leg_that(receipt["report"], town.civil_affairs, delivered=True)
    await town.police.answers(police, "fulfilled", outcome="child_safe")
    await asyncio.gather(
        town.police.replies(
            {"leg": police["leg"], "answer": "accepted"}, b"not json", {"leg": str(uuid4()), "answer": "seen"}, {"leg": police["leg"]}
        ),
        town.civil_affairs.replies({"leg": civil["leg"], "answer": "accepted"}),
    )
    await world.leg_that(receipt["report"], town.civil_affairs, accepted=True)

    async def refusals() -> list[tuple[str, int]]:
        told = [(entry["reason"], entry["offset"]) for entry in await town.police.feed() if entry["about"] == "answer.refused"]
        return sorted(told, key=lambda r: r[1]) if len(told) == 4 else []

    assert await until(refusals) == [("leg-ended", 0), ("malformed", 1), ("not-found", 2), ("contract", 3)]
    feed = await town.police.feed()
    assert [entry["sequence"] for entry in feed] == list(range(1, len(feed) + 1))
    assert await world.parked() == dict.fromkeys(world.databases, 0)


async def test_an_agency_cannot_answer_for_another(world: World) -> None:
    town, other = await world.town(), await world.town()
    await other.police.takes(feed=True)
    receipt = await world.reporter().files(town, "L1a")
    leg = await world.leg(receipt["report"], town.police)
    assert (await other.police.answers(leg, "accepted")).status_code == 404
    await other.police.replies({"leg": leg["leg"], "answer": "accepted"})
    await until(lambda: refused(other.police))
    assert (await world.leg(receipt["report"], town.police))["clocks"]["accepted"]["at"] is None


async def refused(agency: Any) -> list[object]:
    return [entry for entry in await agency.feed() if entry["about"] == "answer.refused"]


async def test_accepting_before_delivered_came_back_is_legal_and_the_same_answer_twice_is_one_event(world: World) -> None:
    town = await world.town()
    receipt = await world.reporter().files(town, "L1a")
    leg = await world.leg(receipt["report"], town.police)
    first = await town.police.answers(leg, "accepted")
    again = await town.police.answers(leg, "accepted")
    assert (first.status_code, first.content) == (200, again.content)
    assert len(await world.journal("referral", "leg.accepted", leg=leg["leg"])) == 1


async def test_strangers_records_in_our_topics_are_skipped_by_nobody_and_stop_nobody(world: World) -> None:
    town = await world.town()
    bad: list[tuple[bytes | None, bytes | None, list[tuple[str, Any]]]] = [
        (b"k", b"{}", [("note", None)]),
        (b"k", b"\xff\xfe", [("ce_type", b"\xff")]),
        (b"k", b"{broken", [("ce_specversion", b"1.0"), ("ce_id", b"x"), ("ce_type", b"heli.report.accepted.v1")]),
        (b"k", None, []),
    ]
    receipts = []
    for record in bad:
        await send(world.stack.bootstrap, "heli.intake.v1", record)
        receipts.append(await world.reporter().files(town, "L1a"))
    for receipt in receipts:
        await world.leg(receipt["report"], town.police)
