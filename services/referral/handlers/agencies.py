"""How does the directory change, and what is told to an agency whose record is no answer?"""

from collections import ChainMap
from collections.abc import Mapping
from typing import cast
from uuid import UUID

import msgspec

from services.referral.domain.agency import REFUSALS_A_MINUTE, Agency, agency_id, faults_of, is_root
from services.referral.domain.routing import Knowledge
from services.referral.handlers.dispatch import handle
from shared.contracts.directory import AgencyChanged
from shared.contracts.referral import AnswerRefused
from shared.errors import Fault, RuleBroken
from shared.messages import Decision, Moment, Response

Entries = dict[str, AgencyChanged]


class PutAgency(msgspec.Struct, frozen=True):
    """The directory entry of an agency is to be this. `version`: the one the caller has seen (If-Match), None at start from a file.

    `beside`: entries that come into force in the same transaction.
    """

    entry: AgencyChanged
    version: int | None = None
    beside: Mapping[str, AgencyChanged] = {}


@handle.register
def put_agency(body: PutAgency, agency: Agency | None, at: Moment) -> Decision:
    """The newest entry wins; one that changes nothing says nothing."""
    edition = agency.edition if agency else 0
    if body.version is not None and body.version != edition:
        raise RuleBroken("changed-meanwhile", "Somebody has changed this entry: read it again and repeat.", status=412)
    new = _entered(body, at.reference, agency, at)
    if agency is not None and agency.entry() == new.entry():
        return Decision(aggregate=agency, response=Response.json(200, agency.entry()))
    changed = msgspec.structs.replace(new, edition=edition + 1)
    return Decision(aggregate=changed, events=(changed.entry(),), response=Response.json(200 if agency else 201, changed.entry()))


def _entered(body: PutAgency, known: Knowledge, before: Agency | None, at: Moment) -> Agency:
    entry = body.entry
    whole = ChainMap({entry.agency: entry}, cast("Entries", body.beside), cast("Entries", known.directory))  # thousands at a time: no copy
    _keeps_a_root(whole, known.directory.get(entry.agency), entry)
    found = faults_of(entry, whole, known.regions)
    region = known.regions.find(entry.region)
    if found or region is None:
        faults = tuple(Fault(f"/{field}", rule, "See the OpenAPI document for what this field may be.") for field, rule in found)
        raise RuleBroken("invalid", "Some fields break a rule. Nothing was stored.", status=422, faults=faults)
    return Agency(
        id=agency_id(entry.agency),
        code=entry.agency,
        name=entry.name,
        department=entry.department,
        region=region.key,
        superior=entry.superior,
        phone=entry.phone,
        active=entry.active,
        version=before.version if before else 0,
        edition=before.edition if before else 0,
        changed_at=at.now,
    )


def _keeps_a_root(whole: Mapping[str, AgencyChanged], before: AgencyChanged | None, after: AgencyChanged) -> None:
    if before is not None and is_root(before) and not is_root(after) and not any(is_root(entry) for entry in whole.values()):
        raise RuleBroken(
            "last-joint-conference",
            "This is the last joint-conference office at the root: what nobody else holds would fall to nobody. Enter another one first.",
        )


class RefuseUnreadable(msgspec.Struct, frozen=True):
    """A record on an agency's replies topic is no answer to a leg of its own: it is told on its feed by partition and offset."""

    agency: str
    reason: str
    partition: int
    offset: int
    leg: UUID | None = None
    answer: str | None = None


@handle.register
def refuse_unreadable(body: RefuseUnreadable, agency: Agency | None, at: Moment) -> Decision:
    if agency is None:
        return Decision(aggregate=None)
    counted = agency.counted(at.now)
    if counted.refused > REFUSALS_A_MINUTE:
        return Decision(aggregate=counted)
    event = AnswerRefused(
        about=body.agency,
        agency=body.agency,
        via="topic",
        reason=body.reason,
        leg=body.leg,
        answer=body.answer,
        partition=body.partition,
        offset=body.offset,
    )
    return Decision(aggregate=counted, events=(event,))


def rest(agency: Agency, at: Moment) -> Decision:
    """An agency has no deadline of its own."""
    return Decision(aggregate=agency)
