"""Who is told what by each event, and what may a party say about how it is reached?"""

from typing import Any

import msgspec
import pytest

from services.notification import handlers
from services.notification.consumer import answer_refused
from services.notification.domain import Endpoint, Notice, agency_notice_id, refusal_notice_id
from services.notification.domain.endpoint import ROTATION
from shared.contracts.notification import EndpointChanged, LinkAnswered, NoticeData
from shared.errors import RuleBroken
from shared.messages import Decision, Message, Outgoing
from tests.support import notices
from tests.support.notices import CASE, LEG, NOW, REPORT, SECRET, URL, endpoint, entries, hear, known, moment

AGENCY = "police-county"
FEED = known(
    endpoint(AGENCY, url=None, feed=True), endpoint("police-city", url=None, feed=True), endpoint("operations", url=None, feed=True)
)
NEW_SECRET = "whsec_" + "B" * 43 + "="
THIN = {"name", "age", "sex", "id_number", "phone", "address", "school", "child", "facts", "text", "groups", "situations"}


def outgoing(decision: Decision) -> list[Outgoing]:
    return [event for event in decision.events if isinstance(event, Outgoing)]


def test_the_agency_of_a_leg_is_told_what_it_owes_with_a_link_and_the_county_only() -> None:
    decision = hear(notices.issued(), None, moment(FEED))
    (data,) = entries(decision)
    assert (data.about, data.party, data.agency, data.region) == ("leg.issued", AGENCY, AGENCY, "239901000000")
    assert (data.leg, data.case, data.report, data.grade) == (LEG, CASE, REPORT, "red")
    assert data.accepted_due == decision.aggregate.accepted_due
    claim = notices.LINKS.read((data.link or "").removeprefix("https://heli.example/notification/links/"), NOW)
    assert claim is not None
    assert (claim.leg, claim.party) == (LEG, AGENCY)


def test_an_entry_of_the_agencys_topic_is_a_cloud_event_that_comes_back_when_acknowledged() -> None:
    (entry,) = outgoing(hear(notices.issued(), None, moment(FEED)))
    headers = {name: (value or b"").decode() for name, value in entry.headers}
    assert (entry.topic, entry.key, entry.feed) == ("heli.agency.police-county.v1", b"police-county", AGENCY)
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": str(entry.id),
        "ce_type": "heli.notice.issued.v1",
        "ce_source": "/notification/feeds/police-county",
        "ce_subject": str(LEG),
        "ce_time": "2026-11-24T02:00:00.000000+00:00",
        "ce_dataschema": "urn:heli:schema:heli.notice.issued.v1",
        "content-type": "application/json",
    }
    back = msgspec.json.decode(entry.on_ack or b"", type=handlers.BrokerAcknowledged)
    assert (back.notice, back.delivery) == (LEG, entry.id)


def test_no_notice_has_a_field_for_a_person() -> None:
    assert THIN.isdisjoint(NoticeData.__struct_fields__)


def test_a_rung_tells_whom_it_names() -> None:
    decision = hear(notices.escalated("police-city", 2), None, moment(FEED))
    (data,) = entries(decision)
    assert (data.about, data.party, data.agency, data.rung, data.clock, data.link) == (
        "leg.escalated",
        "police-city",
        AGENCY,
        2,
        "seen",
        None,
    )


def test_a_declined_leg_tells_the_superior_if_there_is_one_to_tell() -> None:
    notice = hear(notices.issued(), None, moment(FEED)).aggregate
    (data,) = entries(hear(notices.declined("police-city"), notice, moment(FEED), "event-2"))
    assert (data.about, data.party, data.reason) == ("leg.declined", "police-city", "not_ours")
    alone = hear(notices.declined(None), notice, moment(FEED), "event-2")
    assert (alone.events, alone.aggregate.state) == ((), "ended")


def test_a_refused_answer_by_topic_is_told_on_the_agencys_own_feed_only() -> None:
    both = known(endpoint(AGENCY, feed=True))
    notice = hear(notices.issued(), None, moment(both)).aggregate
    decision = hear(notices.refused("topic", partition=0, offset=7), None, moment(both), "event-2")
    (data,) = entries(decision)
    assert (data.about, data.reason, data.state, data.leg, data.report, data.code) == (
        "answer.refused",
        "leg-ended",
        "fulfilled",
        LEG,
        None,
        None,
    )
    assert notices.states(decision.aggregate) == {"police-county/topic": "sent"}
    assert decision.aggregate.id not in (notice.id, agency_notice_id(AGENCY))


def test_refusals_of_an_agency_share_no_notice_and_none_waits_for_a_feed_that_it_never_asked_for() -> None:
    bodies = [notices.refused("topic", partition=0, offset=offset) for offset in range(3)]
    heard = [answer_refused(body, None) for body in bodies]  # type: ignore[arg-type]
    assert len({message.aggregate for messages in heard for message in messages} - {LEG}) == 3
    nowhere = hear(bodies[0], None, moment(known(endpoint(AGENCY))), "event-2")
    assert (nowhere.aggregate, nowhere.events) == (None, ())


def test_an_unreadable_answer_is_refused_by_its_place() -> None:
    body = notices.refused("topic", leg=None, state=None, reason="unreadable", partition=0, offset=7)
    key = refusal_notice_id(AGENCY, 0, 7)
    decision = handlers.decide(None, Message(body=body, aggregate=key, id="event-9"), moment(FEED))
    (data,) = entries(decision)
    assert (decision.aggregate.id, data.partition, data.offset) == (key, 0, 7)


def test_a_refused_answer_by_link_is_remembered_for_its_page() -> None:
    notice = hear(notices.issued(), None, moment(FEED)).aggregate
    decision = hear(notices.refused("link"), notice, moment(FEED), "event-2")
    assert (decision.events, decision.aggregate.refused_state) == ((), "fulfilled")


def test_a_stalled_report_tells_operations_and_the_police_of_the_region() -> None:
    decision = hear(notices.stalled(), None, moment(FEED))
    assert [(data.party, data.region) for data in entries(decision)] == [("operations", "239901000000"), (AGENCY, "239901000000")]


def test_a_stalled_report_waits_for_operations_that_nobody_knows_yet() -> None:
    early = known(directory={})
    notice = hear(notices.stalled(), None, moment(early)).aggregate
    assert notices.states(notice) == {"operations/none": "waiting"}
    later = handlers.tick(notice, moment(FEED, 1))
    assert [data.party for data in entries(later)] == ["operations"]


def test_a_reporter_is_told_of_progress_only_if_it_registered_a_webhook() -> None:
    silent = hear(notices.progressed(), None, moment(FEED))
    assert (silent.aggregate, silent.events) == (None, ())
    registered = hear(notices.progressed(), None, moment(known(endpoint("school-1"))))
    assert notices.states(registered.aggregate) == {"school-1/webhook": "due"}
    assert registered.aggregate.report == REPORT


def test_the_link_accepts_once_and_only_while_the_leg_is_open() -> None:
    notice = hear(notices.issued(), None, moment(FEED)).aggregate
    pressed = hear(handlers.LinkUsed(AGENCY), notice, moment(FEED, 5))
    (event,) = pressed.events
    assert isinstance(event, LinkAnswered)
    assert (event.leg, event.case, event.agency, event.answer) == (LEG, CASE, AGENCY, "accepted")
    assert hear(handlers.LinkUsed(AGENCY), pressed.aggregate, moment(FEED, 6)).events == ()
    accepted = hear(notices.accepted(), notice, moment(FEED, 5)).aggregate
    assert hear(handlers.LinkUsed(AGENCY), accepted, moment(FEED, 6)).events == ()
    assert hear(handlers.LinkUsed("edu-county"), notice, moment(FEED, 6)).events == ()
    assert hear(handlers.LinkUsed(AGENCY), None, moment(FEED, 6)).aggregate is None


def test_a_test_goes_the_way_of_a_real_notice_and_needs_one() -> None:
    body = handlers.SendTest("school-1", REPORT)
    decision = hear(body, None, moment(known(endpoint("school-1"))))
    assert decision.response.status == 202
    assert notices.states(decision.aggregate) == {"school-1/webhook": "due"}
    with pytest.raises(RuleBroken, match="no-endpoint"):
        hear(body, None, moment(known()))


def change(before: Endpoint | None, body: Any, after: float = 0.0) -> Decision:
    return handlers.decide_endpoint(before, Message(body=body, aggregate=LEG), moment(known(), after))


def configure(before: Endpoint | None, **more: Any) -> Decision:
    given: dict[str, Any] = {
        "party": AGENCY,
        "url": URL,
        "feed": False,
        "rotate": False,
        "secret": NEW_SECRET,
        "expected": before.version if before else None,
        "reporter": False,
    }
    return change(before, handlers.Configure(**(given | more)))


def said(decision: Decision) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(decision.response.body)
    return found


def test_a_new_endpoint_shows_its_secret_once() -> None:
    made = configure(None)
    assert (made.response.status, said(made)["secret"], said(made)["version"]) == (201, NEW_SECRET, 1)
    assert made.events == (EndpointChanged(party=AGENCY, webhook=True, feed=False, enabled=True),)
    same = configure(endpoint(AGENCY))
    assert (same.response.status, same.events, "secret" in said(same), said(same)["version"]) == (200, (), False, 1)


def test_a_rotation_signs_with_both_secrets_for_a_day() -> None:
    rotated = configure(endpoint(AGENCY), rotate=True)
    assert said(rotated)["secret"] == NEW_SECRET
    assert rotated.aggregate.secrets == (NEW_SECRET, SECRET)
    assert rotated.aggregate.next_due == NOW + ROTATION
    for seconds, secrets in ((-1, 2), (0, 1), (1, 1)):
        over = handlers.tick_endpoint(rotated.aggregate, moment(known(), ROTATION.total_seconds() + seconds)).aggregate
        assert len(over.secrets) == secrets


def test_without_a_webhook_there_is_no_secret() -> None:
    removed = configure(endpoint(AGENCY), url=None, feed=True).aggregate
    assert (removed.secrets, removed.url, removed.feed, removed.next_due) == ((), None, True, None)
    assert said(configure(removed))["secret"] == NEW_SECRET


@pytest.mark.parametrize(
    ("before", "expected", "status"),
    [(endpoint(AGENCY), None, 428), (endpoint(AGENCY), 7, 412), (None, 1, 412), (None, handlers.ANY_VERSION, 412)],
)
def test_an_edit_names_the_version_that_it_edits(before: Endpoint | None, expected: int | None, status: int) -> None:
    with pytest.raises(RuleBroken) as refusal:
        configure(before, expected=expected)
    assert refusal.value.status == status


def test_a_reporter_cannot_register_for_an_agency() -> None:
    with pytest.raises(RuleBroken, match="party-is-agency"):
        configure(None, reporter=True)


def test_an_address_that_is_gone_is_switched_off_and_on_again_by_its_party() -> None:
    off = change(endpoint(AGENCY), handlers.EndpointGone(URL))
    assert off.events == (EndpointChanged(party=AGENCY, webhook=True, feed=False, enabled=False),)
    assert change(endpoint(AGENCY), handlers.EndpointGone("https://old.example/")).events == ()
    assert change(off.aggregate, handlers.EndpointGone(URL)).events == ()
    assert configure(off.aggregate).aggregate.enabled


def test_nothing_that_may_be_printed_shows_an_address_or_a_secret() -> None:
    webhook = known(endpoint(AGENCY))
    notice = hear(notices.issued(), None, moment(webhook)).aggregate
    assert isinstance(notice, Notice)
    (send,) = handlers.tick(notice, moment(webhook)).sends
    printed = [repr(endpoint(AGENCY)), repr(send), repr(handlers.EndpointGone(URL)), repr(webhook)]
    assert not any("canary" in text or "whsec" in text for text in printed)
