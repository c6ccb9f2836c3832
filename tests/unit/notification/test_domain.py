"""Does a delivery go on as it should, at -1, 0 and +1 of every period, and never without a deadline?"""

from datetime import timedelta
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.notification import domain, handlers, sweep
from services.notification.domain import Channel, Delivery, Known, Notice, State, delivery_id
from services.notification.domain.delivering import ACKNOWLEDGED, KEPT, LEASE, Step
from services.notification.domain.links import LIFE
from shared.contracts.notification import LEG_ISSUED, NoticeDelayed, NoticeDelivered, NoticeUnroutable
from tests.support import county, notices
from tests.support.notices import LEG, NOW, endpoint, known, moment

PARTY = "police-county"
WEBHOOK = known(endpoint(PARTY))
NOBODY = known()
BOTH = known(endpoint(PARTY, feed=True))
HAPPENINGS = ("tick", "fail", "arrive", "accept", "end", "hear")


def issued_to(reference: Known) -> Notice:
    aggregate = notices.hear(notices.issued(), None, moment(reference)).aggregate
    assert isinstance(aggregate, Notice)
    return aggregate


def only(notice: Notice) -> Delivery:
    (delivery,) = notice.deliveries.values()
    return delivery


def ticked(notice: Notice, reference: Known, after: float) -> tuple[Notice, Step]:
    new, step = domain.tick(notice, moment(reference, after))
    assert new.next_due is None or new.next_due > moment(reference, after).now
    return new, step


def leased(reference: Known = WEBHOOK, after: float = 0.0) -> Notice:
    return ticked(issued_to(reference), reference, after)[0]


def failing(notice: Notice, attempt: int, after: float, error: str = "status-500", retry_after: float = 0.0) -> Notice:
    body = handlers.AttemptEnded(delivery=only(notice).id, attempt=attempt, error=error, retry_after=retry_after)
    aggregate = notices.hear(body, notice, moment(WEBHOOK, after)).aggregate
    assert isinstance(aggregate, Notice)
    return aggregate


def test_a_webhook_is_due_at_once_and_leased_by_its_tick() -> None:
    notice, step = ticked(issued_to(WEBHOOK), WEBHOOK, 0)
    delivery, (send,) = only(notice), step.sends
    assert (delivery.state, delivery.attempt, delivery.due) == (State.LEASED, 1, NOW + LEASE)
    assert (send.delivery, send.number, send.url, send.secrets) == (delivery.id, 1, notices.URL, (notices.SECRET,))
    body = msgspec.json.decode(send.body)
    assert body["type"] == "heli.notice.issued.v1"
    assert body["timestamp"] == "2026-11-24T02:00:00Z"
    assert body["data"] == msgspec.json.decode(delivery.body)


@pytest.mark.parametrize(("after", "again"), [(44, False), (45, True), (46, True)])
def test_a_lease_that_passed_unheard_leads_to_one_more_attempt_under_the_same_id(after: float, *, again: bool) -> None:
    first = leased()
    notice, step = ticked(first, WEBHOOK, after) if again else domain.tick(first, moment(WEBHOOK, after))
    assert len(step.sends) == again
    assert only(notice).id == only(first).id
    assert only(notice).attempt == 1 + again
    assert [event.error for event in step.events if isinstance(event, NoticeDelayed)] == ["unheard"] * again


@pytest.mark.parametrize(("attempt", "pause"), [(1, 2), (2, 10), (3, 60), (4, 60), (9, 60)])
def test_the_schedule_decides_the_next_attempt_and_its_last_value_repeats(attempt: int, pause: float) -> None:
    notice = leased()
    notice = notice.having([msgspec.structs.replace(only(notice), attempt=attempt)])
    assert only(failing(notice, attempt, 5)).due == NOW + timedelta(seconds=5 + pause)


def test_a_receiver_may_ask_for_more_time_but_not_for_less() -> None:
    assert only(failing(leased(), 1, 0, retry_after=1)).due == NOW + timedelta(seconds=2)
    assert only(failing(leased(), 1, 0, retry_after=90)).due == NOW + timedelta(seconds=90)


def test_an_outcome_of_an_older_attempt_changes_nothing_unless_it_arrived() -> None:
    notice = ticked(leased(), WEBHOOK, 45)[0]
    assert failing(notice, 1, 46) == notice
    late = handlers.AttemptEnded(delivery=only(notice).id, attempt=1, error=None)
    heard = notices.hear(late, notice, moment(WEBHOOK, 46))
    assert only(heard.aggregate).state is State.DELIVERED
    (event,) = heard.events
    assert isinstance(event, NoticeDelivered)
    assert (event.attempt, event.channel, event.leg, event.party, event.about) == (1, "webhook", LEG, PARTY, LEG_ISSUED)
    again = notices.hear(late, heard.aggregate, moment(WEBHOOK, 32))
    assert again.events == ()


@pytest.mark.parametrize(("left", "state"), [(3, State.DUE), (2, State.FAILED), (1, State.FAILED)])
def test_after_five_days_a_delivery_has_failed(left: float, state: State) -> None:
    notice = leased()
    after = KEPT.total_seconds() - left
    body = handlers.AttemptEnded(delivery=only(notice).id, attempt=1, error="status-500")
    decision = notices.hear(body, notice, moment(WEBHOOK, after))
    event, *lost = decision.events
    assert [type(said).__name__ for said in lost] == (["NoticeUndeliverable"] if state is State.FAILED else [])
    assert only(decision.aggregate).state is state
    assert isinstance(event, NoticeDelayed)
    assert (event.next_due is None) == (state is State.FAILED)


def test_who_cannot_be_reached_is_waited_for_with_one_alarm() -> None:
    decision = notices.hear(notices.issued(), None, moment(NOBODY))
    assert [type(event) for event in decision.events] == [NoticeUnroutable]
    notice, now = decision.aggregate, 0.0
    looks: list[float] = []
    while len(looks) < 8:
        now = (notice.next_due - NOW).total_seconds()
        looks.append(now)
        notice, step = ticked(notice, NOBODY, now)
        assert step == Step(deliveries=step.deliveries)
    assert looks == [1, 2, 4, 8, 16, 32, 62, 92]
    found, step = ticked(notice, WEBHOOK, 122)
    assert notices.states(found) == {"police-county/none": "ended", "police-county/webhook": "leased"}
    assert len(step.sends) == 1


def test_who_is_not_in_the_directory_is_waited_for_too() -> None:
    early = known(endpoint(PARTY), directory={})
    assert notices.states(issued_to(early)) == {"police-county/none": "waiting"}
    assert notices.states(ticked(issued_to(early), WEBHOOK, 1)[0])["police-county/webhook"] == "leased"


def test_nobody_is_waited_for_longer_than_five_days() -> None:
    notice, step = ticked(issued_to(NOBODY), NOBODY, KEPT.total_seconds())
    assert only(notice).state is State.FAILED
    assert isinstance(step.events[0], NoticeDelayed)
    assert (step.events[0].error, step.events[0].next_due, notice.next_due) == ("unroutable", None, None)


def test_a_webhook_that_was_switched_off_waits_and_goes_on_when_it_is_back() -> None:
    off = known(endpoint(PARTY, enabled=False))
    notice, step = ticked(failing(leased(), 1, 0, "status-410"), off, 2)
    assert only(notice).state is State.WAITING
    assert [type(event) for event in step.events] == [NoticeUnroutable]
    notice, step = ticked(notice, WEBHOOK, 3)
    assert (only(notice).state, only(notice).attempt, len(step.sends)) == (State.LEASED, 2, 1)


def test_who_changes_from_webhook_to_topic_gets_there_what_still_waits() -> None:
    off, feed = known(), known(endpoint(PARTY, url=None, feed=True))
    notice = ticked(failing(leased(), 1, 0), off, 2)[0]
    assert notices.states(ticked(notice, feed, 3)[0]) == {"police-county/webhook": "ended", "police-county/topic": "sent"}
    both = ticked(failing_webhook_of(issued_to(BOTH)), feed, 40)[0]
    assert notices.states(both) == {"police-county/webhook": "waiting", "police-county/topic": "sent"}
    later, step = ticked(both, feed, 41)
    assert notices.states(later) == {"police-county/webhook": "ended", "police-county/topic": "sent"}
    assert step.events == ()


def failing_webhook_of(notice: Notice) -> Notice:
    notice = ticked(notice, BOTH, 0)[0]
    key = delivery_id("event-1", PARTY, Channel.WEBHOOK)
    decision = notices.hear(handlers.AttemptEnded(delivery=key, attempt=1, error="timeout"), notice, moment(BOTH, 30))
    aggregate = decision.aggregate
    assert isinstance(aggregate, Notice)
    return aggregate


def test_a_topic_entry_is_written_at_once_and_a_silent_broker_is_noticed() -> None:
    topic = known(endpoint(PARTY, url=None, feed=True))
    notice = issued_to(topic)
    assert only(notice).due == NOW + ACKNOWLEDGED[0]
    late, step = ticked(notice, topic, 60)
    assert [(type(e), e.error) for e in step.events if isinstance(e, NoticeDelayed)] == [(NoticeDelayed, "unacknowledged")]
    body = handlers.BrokerAcknowledged(notice=LEG, delivery=only(late).id)
    heard = notices.hear(body, late, moment(topic, 61))
    assert only(heard.aggregate).state is State.DELIVERED
    assert [type(event) for event in heard.events] == [NoticeDelivered]


def test_an_agency_that_has_accepted_is_not_told_again() -> None:
    waiting = notices.hear(notices.accepted(), issued_to(NOBODY), moment(NOBODY, 1)).aggregate
    assert (only(waiting).state, waiting.state, waiting.next_due) == (State.ENDED, "accepted", None)
    under_way = notices.hear(notices.accepted(), leased(), moment(WEBHOOK, 1)).aggregate
    assert only(under_way).state is State.LEASED
    assert only(failing(under_way, 1, 2)).state is State.ENDED
    arrived = handlers.AttemptEnded(delivery=only(under_way).id, attempt=1, error=None)
    assert only(notices.hear(arrived, under_way, moment(WEBHOOK, 2)).aggregate).state is State.DELIVERED


def test_whoever_must_know_of_silence_is_told_although_the_agency_has_accepted() -> None:
    superior = known(endpoint("police-city", url=None), endpoint(PARTY))
    notice = notices.hear(notices.escalated("police-city"), issued_to(superior), moment(superior, 1), "event-2").aggregate
    accepted = notices.hear(notices.accepted(), notice, moment(superior, 2)).aggregate
    assert notices.states(accepted) == {"police-county/webhook": "ended", "police-city/none": "waiting"}


@given(some.lists(some.tuples(some.sampled_from(HAPPENINGS), some.integers(0, 200_000)), max_size=25))
def test_whatever_happens_an_open_delivery_has_a_deadline(happened: list[tuple[str, int]]) -> None:
    """And the notice never tells of a delivery twice."""
    notice, now, arrivals, references = issued_to(BOTH), 0.0, 0, [BOTH, NOBODY, WEBHOOK]
    for what, pause in happened:
        now += pause / 100
        at = moment(references[pause % 3], now)
        delivery = list(notice.deliveries.values())[pause % len(notice.deliveries)]
        bodies = {
            "fail": handlers.AttemptEnded(delivery=delivery.id, attempt=delivery.attempt, error="timeout"),
            "arrive": handlers.AttemptEnded(delivery=delivery.id, attempt=delivery.attempt, error=None),
            "accept": notices.accepted(),
            "end": notices.fulfilled(),
            "hear": notices.escalated("police-city"),
        }
        decision = handlers.tick(notice, at) if what == "tick" else notices.hear(bodies[what], notice, at, f"event-{now}")
        notice = decision.aggregate
        arrivals += sum(isinstance(event, NoticeDelivered) for event in decision.events)
        assert all(d.open == (d.due is not None) for d in notice.deliveries.values())
        assert (notice.pending > 0) == (notice.next_due is not None)
        if what == "tick":
            assert notice.next_due is None or notice.next_due > at.now
    assert arrivals == sum(d.state is State.DELIVERED for d in notice.deliveries.values())


@pytest.mark.parametrize(("after", "right"), [(-1, True), (0, False), (1, False)])
def test_a_link_lives_three_days(after: float, *, right: bool) -> None:
    token = notices.LINKS.token(LEG, PARTY, NOW)
    claim = notices.LINKS.read(token, NOW + LIFE + timedelta(seconds=after))
    assert (claim is not None) == right


def test_a_link_is_for_one_leg_and_one_party_and_cannot_be_made_by_others() -> None:
    token = notices.LINKS.token(LEG, PARTY, NOW)
    claim = notices.LINKS.read(token, NOW)
    assert claim is not None
    assert (claim.leg, claim.party) == (LEG, PARTY)
    other = domain.Links("https://heli.example", "another key")
    foreign = [other.token(LEG, PARTY, NOW), token[:-1] + ("A" if token[-1] != "A" else "B"), "", "a.b", token + "x", "x" * 5000]
    assert [notices.LINKS.read(text, NOW) for text in foreign] == [None] * len(foreign)


def test_the_same_decision_makes_the_same_ids_and_the_same_link() -> None:
    assert issued_to(BOTH) == issued_to(BOTH)
    assert len({delivery_id("e", party, channel) for party in ("a", "b") for channel in Channel}) == 6
    assert isinstance(delivery_id("e", "a", Channel.TOPIC), UUID)


@pytest.mark.parametrize(
    ("region", "told"),
    [
        (county.VILLAGE, county.COUNTY),
        (county.TOWN, county.COUNTY),
        (county.COUNTY, county.COUNTY),
        ("230100000000", "230100000000"),
        ("000000000000", None),
    ],
)
def test_no_region_below_the_county_is_told(region: str, told: str | None) -> None:
    assert NOBODY.county(region) == told


def test_an_attempt_is_over_before_its_lease() -> None:
    assert sweep.LIMITS.wait + sweep.LIMITS.total < LEASE.total_seconds()
