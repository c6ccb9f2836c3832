"""How does the directory change, and what is said to an agency whose record is no answer?"""

from typing import Any

import msgspec
import pytest

from services.referral import handlers
from services.referral.api import version_in
from services.referral.domain.agency import REFUSALS_A_MINUTE, Agency, agency_id
from shared.contracts.directory import AgencyChanged
from shared.errors import RuleBroken
from shared.messages import Decision, Message
from tests.support.county import COUNTY, DIRECTORY, agency
from tests.unit.referral.acting import MINUTE, NOW, TICK, kinds, moment


def put(entry: AgencyChanged, stored: Agency | None = None, version: int | None = None) -> Decision:
    message = Message(body=handlers.PutAgency(entry, version), aggregate=agency_id(entry.agency))
    return handlers.decide(stored, message, moment(None, NOW))


def stored(code: str, **changes: Any) -> Agency:
    made: Agency = put(DIRECTORY[code]).aggregate
    return msgspec.structs.replace(made, **changes)


def test_a_new_entry_is_told_and_the_same_again_says_nothing() -> None:
    decision = put(DIRECTORY["police-county"])
    assert (decision.response.status, kinds(decision)) == (201, ["agency.changed"])
    again = put(DIRECTORY["police-county"], stored("police-county"))
    assert (again.response.status, again.events) == (200, ())


@pytest.mark.parametrize(("seen", "status"), [(None, 200), (3, 200), (2, 412), (0, 412)])
def test_an_edit_names_the_version_it_has_seen(seen: int | None, status: int) -> None:
    ended = msgspec.structs.replace(DIRECTORY["police-county"], active=False)
    known = stored("police-county", edition=3, version=7)
    if status == 412:
        with pytest.raises(RuleBroken) as refused:
            put(ended, known, seen)
        assert (refused.value.slug, refused.value.status) == ("changed-meanwhile", 412)
    else:
        decision = put(ended, known, seen)
        assert (decision.response.status, getattr(decision.events[0], "version", 0)) == (200, 4)


def test_counting_refusals_does_not_defeat_an_edit() -> None:
    known = stored("police-county")
    noise = Message(body=handlers.RefuseUnreadable("police-county", "malformed", 0, 1), aggregate=known.id)
    noisy = msgspec.structs.replace(handlers.decide(known, noise, moment(None, NOW)).aggregate, version=known.version + 1)
    assert (noisy.entry(), noisy.version) == (known.entry(), known.version + 1)
    decision = put(msgspec.structs.replace(DIRECTORY["police-county"], name="x"), noisy, known.edition)
    after: Agency = decision.aggregate
    assert (after.edition, after.version) == (known.edition + 1, noisy.version)


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (agency("x", "firemen", COUNTY), ("/department", "department-unknown")),
        (agency("x", "police", "999999999999"), ("/region", "region-unknown")),
        (agency("x", "police", COUNTY, "nobody"), ("/superior", "superior-unknown")),
        (agency("police-city", "police", COUNTY, "police-county"), ("/superior", "superior-circle")),
        (agency("x", "police", COUNTY, "x"), ("/superior", "superior-circle")),
    ],
)
def test_an_entry_that_cannot_be_is_refused_with_field_and_rule(entry: AgencyChanged, fault: tuple[str, str]) -> None:
    with pytest.raises(RuleBroken) as refused:
        put(entry)
    assert (refused.value.status, [(found.pointer, found.rule) for found in refused.value.faults]) == (422, [fault])


def test_unreadable_answers_are_refused_on_the_feed_but_not_without_end() -> None:
    agency_: Agency = stored("police-county")
    said = 0
    for number in range(REFUSALS_A_MINUTE + 5):
        message = Message(body=handlers.RefuseUnreadable("police-county", "malformed", 0, number), aggregate=agency_.id)
        decision = handlers.decide(agency_, message, moment(None, NOW))
        agency_, said = decision.aggregate, said + len(decision.events)
    assert (said, agency_.refused) == (REFUSALS_A_MINUTE, REFUSALS_A_MINUTE + 5)
    later = handlers.decide(agency_, message, moment(None, NOW + MINUTE + TICK))
    assert (len(later.events), later.aggregate.refused) == (1, 1)
    assert handlers.decide(None, message, moment(None, NOW)).events == ()


@pytest.mark.parametrize(
    ("header", "version"), [('"3"', 3), ("3", 3), (None, 0), ("", 0), ("*", 0), ('"\u00b2"', 0), (f'"{"9" * 5000}"', 0), ("-1", 0)]
)
def test_an_etag_that_is_none_of_ours_names_no_version_and_breaks_nothing(header: str | None, version: int) -> None:
    assert version_in(header) == version
