"""When is a child's case complete, by the rule of its rule set, and what of it is still lacking?"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal

import msgspec

from services.referral.domain.case import Case
from services.referral.domain.leg import Leg, Outcome
from services.referral.domain.rule_rows import Department, DutyKind, Grade, Name, Strict

LawfulEnd = Literal["declined", "forwarded", "withdrawn", "void"]


class Safe(Strict, frozen=True):
    """In cases of these grades a fulfilled leg of one of these departments must have ended with one of these outcomes."""

    grades: tuple[Grade, ...]
    outcomes: Annotated[tuple[Outcome, ...], msgspec.Meta(min_length=1)]
    departments: Annotated[tuple[Department, ...], msgspec.Meta(min_length=1)]


class Completeness(Strict, frozen=True):
    """A case is complete when no leg is open and all of this holds.

    `accepted`: departments that must have accepted each duty they were given. `fulfilled`: so many legs at least. `lawful`: ends
    with which a duty is over although nobody fulfilled it; one that was replaced is its replacement's. `review`: the duty of the
    joint-conference office that gets whatever cannot close; once the office has fulfilled it, only `safe` is still asked of what
    came before.
    """

    accepted: tuple[Department, ...]
    fulfilled: Annotated[int, msgspec.Meta(ge=1, le=20)]
    lawful: tuple[LawfulEnd, ...]
    safe: Safe
    review: Name


def complete(rule: Completeness | None, case: Case) -> bool:
    """A rule set from before there was such a rule asks only that every leg has ended."""
    return case.all_ended and (rule is None or not lacking(rule, case))


def lacking(rule: Completeness, case: Case) -> tuple[str, ...]:
    """What of the rule is not met, as codes; a leg that is still open aside."""
    settled = max((leg.number for leg in case.legs.values() if leg.duty == rule.review and leg.ended == "fulfilled"), default=0)
    return tuple(_unmet(rule, case, [leg for leg in case.legs.values() if leg.number > settled], settled > 0))


def _unmet(rule: Completeness, case: Case, unsettled: list[Leg], reviewed: bool) -> Iterator[str]:  # noqa: FBT001 - one of two
    legs = case.legs.values()
    if not reviewed and sum(leg.ended == "fulfilled" for leg in legs) < rule.fulfilled:
        yield "fulfilled"
    replaced = {leg.replaces for leg in legs}
    owed = [leg for leg in unsettled if leg.ended not in rule.lawful and leg.id not in replaced]
    if any(leg.ended is not None and leg.ended != "fulfilled" for leg in owed):
        yield "undone"
    yield from (f"accepted:{department}" for department in rule.accepted if not _accepted(department, owed))
    if case.grade in rule.safe.grades and not any(_says_safe(rule.safe, leg) for leg in legs):
        yield "safe"


def _accepted(department: str, owed: Iterable[Leg]) -> bool:
    return all(leg.accepted_at is not None and leg.ended != "declined" for leg in owed if leg.department == department)


def _says_safe(safe: Safe, leg: Leg) -> bool:
    return leg.ended == "fulfilled" and leg.end_code in safe.outcomes and leg.department in safe.departments


def completeness_problems(rule: Completeness, duties: Mapping[str, DutyKind]) -> Iterator[str]:
    """What no single column shows: a rule that no case, or not even the joint-conference office, could meet."""
    departments = {kind.department for kind in duties.values()}
    yield from (f"no duty of {name}, which must accept" for name in rule.accepted if name not in departments)
    review = duties.get(rule.review)
    if review is None or review.department != "joint_conference":
        yield f"review: {rule.review} is no duty of the joint-conference office"
        return
    if review.department not in rule.safe.departments or not set(rule.safe.outcomes) & set(review.outcomes):
        yield "safe: the joint-conference office could not end what nobody else did"
    known = {outcome for kind in duties.values() for outcome in kind.outcomes}
    yield from (f"safe: no duty ends with {outcome}" for outcome in rule.safe.outcomes if outcome not in known)
