"""How does a whole set of agencies come into force at once, or not at all?"""

from collections import Counter
from typing import Any

from fastapi import APIRouter, Request
from fastapi import Response as HttpResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.referral import store
from services.referral.api.directory import AgencyBody, Operator, known_now
from services.referral.domain.agency import CODE, agency_id
from services.referral.domain.importing import Import, judge, same
from services.referral.domain.routing import Knowledge
from services.referral.handlers import PutAgency
from shared.contracts.directory import AgencyChanged
from shared.errors import Problem, RuleBroken, Unavailable
from shared.http import invalid, message_of, reply
from shared.identity import Caller
from shared.messages import Message, Response
from shared.room import Room, Settle

MOST_ROWS = 5_000
BODY = 4 * 1024 * 1024
"""Bytes of one import: more than any other body here, because a set can only be judged whole."""
router = APIRouter(tags=["directory"])
Faults = tuple[tuple[str, str], ...]


class Entry(AgencyBody):
    """A row: an entry with its code."""

    code: str = Field(pattern=f"^{CODE.pattern}$")


class ImportBody(BaseModel):
    """Rows as `PUT /agencies/{code}` takes them, with `code`; each is judged for itself, so that one fault hides no other."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    agencies: list[dict[str, Any]] = Field(
        min_length=1,
        max_length=MOST_ROWS,
        json_schema_extra={"items": Entry.model_json_schema(ref_template="#/components/schemas/{model}")},
    )


class Sorted:
    """The rows that can be read, the faults of the others by place, and what the set would do."""

    def __init__(self, rows: list[dict[str, Any]], known: Knowledge) -> None:
        self.unreadable: dict[int, Faults] = {}
        self.entries: dict[int, AgencyChanged] = {}
        for place, row in enumerate(rows):
            self._read(place, row)
        self.set: Import = judge(list(self.entries.values()), known)
        self.possible = self.set.possible and not self.unreadable

    def _read(self, place: int, row: dict[str, Any]) -> None:
        try:
            told = Entry.model_validate(row)
        except ValidationError as reason:
            self.unreadable[place] = tuple((fault.pointer.removeprefix("/"), fault.rule) for fault in invalid(reason).faults)
        else:
            self.entries[place] = AgencyChanged(agency=told.code, version=0, **told.model_dump(exclude={"code"}))

    def said(self, *, applied: bool) -> dict[str, Any]:
        judged = dict(zip(self.entries, self.set.verdicts, strict=True))
        rows = []
        for place in sorted({*judged, *self.unreadable}):
            one = judged.get(place)
            faults = one.faults if one else self.unreadable[place]
            verdict = one.verdict if one else "rejected"
            told = [{"field": field, "rule": rule} for field, rule in faults]
            rows.append({"row": place + 1, "code": one.code if one else None, "verdict": verdict, "faults": told})
        counts = Counter(row["verdict"] for row in rows)
        possible = {"possible": self.possible, "applied": applied}
        return {**possible, "counts": counts, "verdicts": rows, "gaps": self.set.gaps, "directory": self.set.faults}


@router.post("/agencies/check", max_body_size=BODY)
async def check(body: ImportBody, request: Request, _: Operator) -> HttpResponse:
    """What an import of these rows would do: a verdict for each, and the gaps it would leave. Changes nothing."""
    return reply(Response.json(200, Sorted(body.agencies, await known_now(request)).said(applied=False)))


@router.post("/agencies/import", max_body_size=BODY)
async def import_agencies(body: ImportBody, request: Request, caller: Operator) -> HttpResponse:
    """Enters all of these rows in one transaction, or none: 422 when a row is rejected, 409 when a place would be left without anybody.

    Needs no Idempotency-Key: the same rows again are `unchanged`.
    """
    known = await known_now(request)
    found = Sorted(body.agencies, known)
    if found.unreadable or any(one.verdict == "rejected" for one in found.set.verdicts):
        raise Problem(422, "rows-rejected", "Some rows break a rule. Nothing was changed.", **found.said(applied=False))
    if not found.possible:
        raise Problem(409, "directory-gap", "The directory would have gaps. Nothing was changed.", **found.said(applied=False))
    await _apply(request.app.state.agencies.room, found.set, known, caller, message_of(request))
    return reply(Response.json(200, found.said(applied=True)))


async def _apply(room: Room, found: Import, known: Knowledge, caller: Caller, traceparent: str | None) -> None:
    """One transaction. A part of it never commits: the room would halve a batch whose row stays locked."""
    beside = {entry.agency: entry for entry in found.writes}
    messages = [
        Message(body=PutAgency(entry, _version(known, entry), beside), aggregate=agency_id(entry.agency), actor=caller.party, traceparent=traceparent)
        for entry in found.writes
    ]  # fmt: skip
    if messages:
        await room.handle(messages, _whole(len(messages), found))


def _version(known: Knowledge, entry: AgencyChanged) -> int:
    old = known.directory.get(entry.agency)
    return old.version if old else 0


def _whole(size: int, found: Import) -> Settle:
    """Before the commit: is the directory now exactly the one that was judged?"""

    async def settle(db: Any, part: Any) -> None:
        if len(part) != size:
            raise Unavailable("Somebody else is changing the directory. Nothing was changed: send the same request again.")
        stored = await store.entries(db)
        if not all(same(stored.get(code), entry) for code, entry in found.after.items()):
            raise RuleBroken(
                "changed-meanwhile", "Somebody has changed the directory meanwhile. Nothing was changed: check again and repeat."
            )

    return settle
