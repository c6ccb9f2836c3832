"""When is a party said to be out of reach? When its last way has failed, once, and not while one is open or has arrived."""

from typing import Any

import msgspec
import pytest

from services.notification import handlers
from services.notification.domain import Channel, Notice, State, given_up
from services.notification.domain.delivering import KEPT
from shared.contracts.notification import NoticeUndeliverable
from tests.support import notices
from tests.support.notices import LEG, endpoint, hear, known, moment

AGENCY = "police-county"
WEBHOOK = known(endpoint(AGENCY))


def lost(events: Any) -> list[NoticeUndeliverable]:
    return [event for event in events if isinstance(event, NoticeUndeliverable)]


def the_notice() -> Notice:
    notice: Notice = hear(notices.issued(), None, moment(WEBHOOK)).aggregate
    return notice


def test_the_last_attempt_is_the_end_and_says_why() -> None:
    leased = handlers.tick(the_notice(), moment(WEBHOOK, 1)).aggregate
    (delivery,) = leased.deliveries.values()
    failed = handlers.AttemptEnded(delivery=delivery.id, attempt=1, error="status-500")
    assert lost(hear(failed, leased, moment(WEBHOOK, 2)).events) == []
    (event,) = lost(hear(failed, leased, moment(WEBHOOK, KEPT.total_seconds())).events)
    assert (event.party, event.about, event.leg, event.error) == (AGENCY, "leg.issued", LEG, "status-500")


def test_a_party_to_whom_no_way_was_ever_known_is_given_up_by_the_tick() -> None:
    nobody = known()
    notice = hear(notices.issued(), None, moment(nobody)).aggregate
    assert lost(handlers.tick(notice, moment(nobody, 60)).events) == []
    decision = handlers.tick(notice, moment(nobody, KEPT.total_seconds()))
    assert [event.error for event in lost(decision.events)] == ["unroutable"]
    assert lost(handlers.tick(decision.aggregate, moment(nobody, KEPT.total_seconds() + 60)).events) == []


@pytest.mark.parametrize(("other", "said"), [(State.SENT, 0), (State.DELIVERED, 0), (State.FAILED, 1), (State.ENDED, 1)])
def test_not_while_another_way_is_open_or_has_arrived(other: State, said: int) -> None:
    notice = the_notice()
    (webhook,) = notice.deliveries.values()
    topic = msgspec.structs.replace(webhook, id=LEG, channel=Channel.TOPIC, state=other)
    before = notice.having([topic])
    after = before.having([webhook.end(State.FAILED, "status-500")])
    assert len(given_up(before, after)) == said


def test_two_ways_that_fail_in_one_step_are_one_loss() -> None:
    notice = the_notice()
    (webhook,) = notice.deliveries.values()
    before = notice.having([msgspec.structs.replace(webhook, id=LEG, channel=Channel.TOPIC)])
    after = before.having([one.end(State.FAILED, "unheard") for one in before.deliveries.values()])
    assert len(given_up(before, after)) == 1
