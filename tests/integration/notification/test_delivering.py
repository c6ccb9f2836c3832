"""Is everybody told through what they registered, by a schedule that lives in the database, each delivery once?"""

import asyncio
from typing import Any

import msgspec
from standardwebhooks import Webhook

from services.notification import handlers, store
from shared.messages import Message
from tests.integration.notification.conftest import Notification
from tests.support import county, notices
from tests.support.notices import LEG, LEG_FACTS
from tests.unit.notification.receiver import NO_CONTENT, answer, receiving

PARTY = "police-county"
BUSY, GONE = answer("503 Service Unavailable"), answer("410 Gone")


class Script:
    """Answers one after the other, the last one for ever."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        writer.write(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])


async def test_a_notice_survives_the_table_as_it_was(notification: Notification) -> None:
    await notification.register(PARTY, feed=True)
    await notification.hear(notices.issued())
    found = await notification.notice()
    known = await notification.notices.reference.value(notification.pool)
    expected = notices.hear(notices.issued(), None, notices.moment(known)).aggregate
    facts = ("report", "case_id", "code", "agency", "department", "duty", "grade", "region", "accepted_due", "state")
    assert {name: getattr(found, name) for name in facts} == {name: getattr(expected, name) for name in facts}
    assert (found.version, found.pending) == (1, 1)
    assert notices.states(found) == notices.states(expected)


async def test_a_webhook_is_signed_and_tried_by_schedule_until_it_is_taken(notification: Notification) -> None:
    async with receiving(Script(BUSY, BUSY, NO_CONTENT)) as (receiver, url):
        secret = (await notification.register(PARTY, url=url)).json()["secret"]
        await notification.hear(notices.issued())
        for pause in (0, 2, 10):
            await notification.forward(pause)
            assert [await notification.sweep(), await notification.sweep()] == [1, 0]
        assert await notification.states() == {"police-county/webhook": "delivered"}
        bodies, ids = {body for _, body in receiver.requests}, {headers["webhook-id"] for headers, _ in receiver.requests}
        assert (len(receiver.requests), len(bodies), len(ids)) == (3, 1, 1)
        for headers, body in receiver.requests:
            told = Webhook(secret).verify(body, headers)
            assert (told["type"], told["data"]["leg"]) == ("heli.notice.issued.v1", str(LEG))
    assert [(e["attempt"], e["error"]) for e in await notification.events("notice.delayed")] == [(1, "status-503"), (2, "status-503")]
    (delivered,) = await notification.events("notice.delivered")
    assert (delivered["attempt"], delivered["channel"], delivered["leg"], delivered["about"]) == (3, "webhook", str(LEG), "leg.issued")
    traces = [headers["traceparent"].split("-")[1] for headers, _ in receiver.requests]
    heard = await notification.pool.fetchval("select traceparent from delivery")
    assert (traces[0], len(set(traces))) == (heard.split("-")[1], 3)


async def test_an_attempt_that_was_lost_is_made_again_when_its_lease_has_passed(notification: Notification) -> None:
    async with receiving(NO_CONTENT) as (receiver, url):
        await notification.register(PARTY, url=url)
        await notification.hear(notices.issued())
        lost = (await notification.notices.sweep()).sends
        assert len(lost) == 1
        assert await notification.sweep() == 0
        await notification.forward(45)
        assert await notification.sweep() == 1
        assert await notification.states() == {"police-county/webhook": "delivered"}
        late = handlers.AttemptEnded(delivery=lost[0].delivery, attempt=1, error=None)
        await notification.notices.handle([Message(body=late, aggregate=LEG)])
        assert len(receiver.requests) == 1
    assert len(await notification.events("notice.delivered")) == 1


async def test_a_receiver_that_is_gone_is_left_alone_until_its_party_comes_back(notification: Notification) -> None:
    async with receiving(Script(GONE, NO_CONTENT)) as (receiver, url):
        await notification.register(PARTY, url=url)
        await notification.hear(notices.issued())
        await notification.sweep()
        for seconds in (2, 60, 600):
            await notification.forward(seconds)
            assert await notification.sweep() == 0
        assert await notification.states() == {"police-county/webhook": "waiting"}
        again = await notification.register(PARTY, url=url, version=2)
        assert (again.status_code, "secret" in again.json()) == (200, False)
        await notification.forward(45)
        assert await notification.sweep() == 1
        assert await notification.states() == {"police-county/webhook": "delivered"}
        assert len(receiver.requests) == 2
    assert [e["enabled"] for e in await notification.events("endpoint.changed")] == [True, False, True]


async def test_who_registers_late_gets_what_has_waited(notification: Notification) -> None:
    await notification.hear(notices.issued())
    assert await notification.states() == {"police-county/none": "waiting"}
    await notification.register(PARTY, feed=True)
    await notification.forward(1)
    await notification.sweep()
    assert await notification.states() == {"police-county/none": "ended", "police-county/topic": "sent"}
    assert len(await notification.events("notice.unroutable")) == 1


async def test_a_feed_is_numbered_without_a_gap_and_delivered_when_the_broker_has_it(notification: Notification) -> None:
    await notification.register(PARTY, feed=True)
    await notification.register("police-city", feed=True)
    await asyncio.gather(*(notification.hear(notices.escalated(PARTY, n), f"event-{n}") for n in range(8)))
    await notification.hear(notices.escalated("police-city"), "other")
    rows = await notification.pool.fetch("select topic, headers from outbox where topic like 'heli.agency.%' order by seq")
    numbers: dict[str, list[int]] = {}
    for row in rows:
        headers: dict[str, Any] = dict(msgspec.msgpack.decode(row["headers"]))
        numbers.setdefault(row["topic"], []).append(int(headers["ce_sequence"]))
    assert numbers == {"heli.agency.police-county.v1": list(range(1, 9)), "heli.agency.police-city.v1": [1]}
    await notification.acknowledge()
    assert [e["channel"] for e in await notification.events("notice.delivered")] == ["topic"] * 9
    assert not (await notification.notice()).deliveries
    assert await notification.notices.reference.value(notification.pool)


async def test_the_same_event_twice_is_told_once(notification: Notification) -> None:
    await notification.register(PARTY, feed=True)
    for _ in range(2):
        await notification.hear(notices.issued())
    assert await notification.pool.fetchval("select count(*) from outbox where topic = 'heli.agency.police-county.v1'") == 1


async def test_a_newer_entry_of_the_directory_wins_in_any_order(notification: Notification) -> None:
    old, new = county.agency("x", "police", county.COUNTY, version=3), county.agency("x", "police", county.TOWN, version=4)
    for entries in ([new], [old], [old, new]):
        await store.update_directory(notification.pool, entries)
        known = await notification.notices.reference.value(notification.pool)
        assert known.directory["x"].version == 4


async def test_an_old_secret_goes_when_its_rotation_is_over(notification: Notification) -> None:
    async with receiving(NO_CONTENT) as (receiver, url):
        await notification.register(PARTY, url=url)
        body = {"webhook": {"url": url}, "feed": False, "rotate_secret": True}
        headers = notification.bearer(PARTY) | {"If-Match": '"1"'}
        new = (await notification.http.put(f"/notification/endpoints/{PARTY}", json=body, headers=headers)).json()["secret"]
        for seconds, signatures in ((0, 2), (86400, 1)):
            await notification.forward(seconds)
            await notification.endpoints.sweep()
            await notification.hear(notices.escalated(PARTY), f"event-{seconds}")
            await notification.sweep()
            headers, told = receiver.requests[-1]
            assert len(headers["webhook-signature"].split()) == signatures
            assert Webhook(new).verify(told, headers)["data"]["code"] == LEG_FACTS["code"]
