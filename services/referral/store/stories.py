"""Which cases of the same child does a decision see, and which does a caller see linked to a case?

Two reports of one child at the same moment must not miss one another: before anything is read, the child is locked, then the story;
always in this order, and both before any row of a case.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from services.referral.domain.case import Case
from services.referral.domain.story import open_in_one_story, story_of
from services.referral.handlers import OpenCase
from services.referral.handlers.stories import LinkCase, Ordered
from services.referral.store import CASE, whole
from services.referral.tables import CaseRow, LegRow
from shared.identifiers import derived_child_id
from shared.messages import Message
from shared.work import Beside

LOCK = "select pg_advisory_xact_lock(hashtextextended(key, 6)) from unnest($1::text[]) as key"
ABOUT = "select id, child, story from case_file where id = any($1::uuid[])"
STORIES = "select distinct coalesce(story, id) as story from case_file where child = any($1::uuid[]) and closed_at is null and not apart"
MEMBERS = (
    f"select {CASE} from case_file where closed_at is null and (story = any($1::uuid[]) or id = any($1::uuid[])"
    " or (child = any($2::uuid[]) and not apart)) order by opened_at, id"
)


async def beside(db: Any, messages: Sequence[Message]) -> Beside | None:
    """For each message that opens, links or moves a case: the other open cases of its story, as they are when it is decided."""
    ordered = [message.body for message in messages if isinstance(message.body, Ordered)]
    opening = [message for message in messages if isinstance(message.body, OpenCase) and shared(message.body)]
    if not ordered and not opening:
        return None
    named = [case for body in ordered for case in (body.case, *([body.to] if isinstance(body, LinkCase) else []))]
    about = {row["id"]: row for row in await db.fetch(ABOUT, named)} if named else {}
    children = {message.body.child.child for message in opening}
    await _lock(db, "child", children | {row["child"] for row in about.values()})
    if named:
        about = {row["id"]: row for row in await db.fetch(ABOUT, named)}
    stories = {row["story"] for row in await db.fetch(STORIES, sorted(children))} if children else set()
    stories |= {row["story"] or row["id"] for row in about.values()}
    read: list[Case] = []
    if stories:
        await _lock(db, "story", stories)
        read = list((await whole(db, await db.fetch(MEMBERS, sorted(stories), sorted(children)))).values())
    return Members(read, opening, {key: row["story"] or row["id"] for key, row in about.items()}).of


def shared(body: OpenCase) -> bool:
    """Whether another report can name the same child: an id that was made from this report alone is nobody else's."""
    return body.child.child != derived_child_id(body.report.report, body.child.number)


async def _lock(db: Any, kind: str, keys: Iterable[UUID]) -> None:
    if wanted := [f"{kind}:{key}" for key in sorted(keys)]:
        await db.fetch(LOCK, wanted)


class Members:
    """What was read of stories, and which cases this batch opens; it may open two of one child."""

    def __init__(self, read: Sequence[Case], opening: Sequence[Message], stories: Mapping[UUID, UUID]) -> None:
        self._read, self._stories, self._opening = {case.id: case for case in read}, stories, {message.aggregate for message in opening}
        self._by_child: dict[UUID, list[UUID]] = defaultdict(list)
        for case in read:
            self._by_child[case.child].append(case.id)
        for message in opening:
            self._by_child[message.body.child.child].append(message.aggregate)

    def of(self, message: Message, current: Mapping[UUID, Any]) -> tuple[Case, ...]:
        body, own = message.body, message.aggregate
        if own in self._opening and isinstance(body, OpenCase):
            keys = [key for key in self._by_child[body.child.child] if key != own]
            if not keys:
                return ()
            same = open_in_one_story(case for key in keys if (case := current.get(key) or self._read.get(key)) is not None)
            return (*same, *(case for case in self._of_story(story_of(same), own, current) if case.id not in keys))
        if isinstance(body, Ordered):
            return tuple(self._of_story(self._stories.get(body.to if isinstance(body, LinkCase) else body.case), own, current))
        return ()

    def _of_story(self, story: UUID | None, own: UUID, current: Mapping[UUID, Any]) -> Iterator[Case]:
        for case in (current.get(key) or read for key, read in self._read.items() if key != own and story is not None):
            if case.closed_at is None and story in (case.story, case.id):
                yield case


async def one_case(engine: AsyncEngine, key: UUID) -> tuple[CaseRow, list[LegRow]] | None:
    """A case with all its legs."""
    async with AsyncSession(engine) as session:
        case = (await session.exec(select(CaseRow).where(CaseRow.id == key))).first()
        legs = (await session.exec(select(LegRow).where(col(LegRow.case_id) == key).order_by(col(LegRow.number)))).all()
    return None if case is None else (case, list(legs))


Linked = Mapping[UUID, Sequence[CaseRow]]


async def linked_to(engine: AsyncEngine, cases: Sequence[CaseRow], agency: str | None) -> Linked:
    """By case: the others of its story. An agency sees those of a story in which it holds an open leg; None for an agency: every one."""
    stories = {case.story for case in cases if case.story is not None}
    if not stories:
        return {}
    query = select(CaseRow).where(or_(col(CaseRow.story).in_(stories), and_(col(CaseRow.id).in_(stories), ~col(CaseRow.apart))))
    async with AsyncSession(engine) as session:
        found = (await session.exec(query.order_by(col(CaseRow.opened_at), col(CaseRow.id)))).all()
        if agency is not None:
            stories &= await _held(session, found, agency)
    of = {story: [case for case in found if story in (case.story, case.id)] for story in stories}
    return {case.id: [other for other in of[case.story] if other.id != case.id] for case in cases if case.story in of}


async def _held(session: AsyncSession, cases: Sequence[CaseRow], agency: str) -> set[UUID | None]:
    """The stories in which an agency holds an open leg."""
    held = select(LegRow.case_id).where(LegRow.agency == agency, col(LegRow.ended).is_(None))
    keys = set((await session.exec(held.where(col(LegRow.case_id).in_([case.id for case in cases])))).all())
    return {case.story or case.id for case in cases if case.id in keys}
