"""By which steps does a duty reach its end, which of the six responsibilities does it serve, and on which ledger (台账) does it stand?"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated

import msgspec

from services.referral.domain.leg import Leg, Outcome
from services.referral.domain.rule_rows import DetailKind, DutyKind, Name, StepKind, Strict, Text
from shared.errors import RuleBroken

MOST_STEPS = 100
"""So often may steps be told of one leg: a row must not grow without end."""
Details = Mapping[str, Sequence[str]]


class Responsibility(Strict, frozen=True):
    """One of the six (六大责任). `outcomes`: a leg that ends so has served this one, whatever its duty's own is."""

    responsibility: Name
    title: Text
    outcomes: tuple[Outcome, ...] = ()


class Ledger(Strict, frozen=True):
    """A list of open legs of these duties that stand at one of these steps (`new`: or at none yet); what has ended has left it (动态销号)."""

    ledger: Name
    title: Text
    duties: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)]
    steps: tuple[Name, ...] = ()
    new: bool = True


class StepTaken(msgspec.Struct, frozen=True, omit_defaults=True):
    """`at`: when it counts (received); `claimed_at`: when the agency says it was."""

    step: str
    at: datetime
    claimed_at: datetime | None = None


class Way(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far a leg has come: each step in the order in which it was told, and every detail as it was told last."""

    steps: tuple[StepTaken, ...] = ()
    details: dict[str, tuple[str, ...]] = {}

    def taken(self, step: str) -> tuple[StepTaken, ...]:
        return tuple(one for one in self.steps if one.step == step)


_way = msgspec.json.Decoder(Way)


def way_of(leg: Leg) -> Way:
    return _way.decode(leg.way)


def with_step(leg: Leg, kind: DutyKind | None, step: str, at: datetime, claimed: datetime | None) -> Leg:
    """The leg with a step more; the same leg when that step is known. Raises RuleBroken for one that is not on this duty's path, or too early.

    A step that repeats is told apart by its claimed time: without one it is the same again.
    """
    steps = {row.step: row for row in kind.steps} if kind else {}
    if step not in steps:
        raise RuleBroken(
            "step-not-of-this-duty", _one_of("The steps of this duty", steps), status=422, state=leg.state, allowed=list(steps)
        )
    way, row = way_of(leg), steps[step]
    known = way.taken(step)
    if known and not (row.repeats and claimed is not None and all(one.claimed_at != claimed for one in known)):
        return leg
    if needs := [before for before in row.after if not way.taken(before)]:
        raise RuleBroken("step-too-early", f"Before this step comes: {', '.join(needs)}.", state=leg.state, needs=needs)
    if len(way.steps) >= MOST_STEPS:
        raise RuleBroken("too-many-steps", f"At most {MOST_STEPS} steps are kept of one leg.", state=leg.state)
    more = msgspec.structs.replace(way, steps=(*way.steps, StepTaken(step, at, claimed)))
    return msgspec.structs.replace(leg, way=msgspec.json.encode(more), step=_furthest(more, list(steps)))


def _furthest(way: Way, order: Sequence[str]) -> str:
    """By the order of the path: what was told late of an earlier step does not move the leg back."""
    return max((one.step for one in way.steps if one.step in order), key=order.index)


def with_details(leg: Leg, kind: DutyKind | None, details: Details) -> Leg:
    """The leg with these details in place of those told before. Raises RuleBroken for one, or a code, that the duty does not know."""
    if not details:
        return leg
    known = {row.detail: row for row in kind.details} if kind else {}
    for name, values in details.items():
        if name not in known:
            detail = _one_of("The details of this duty", known)
            raise RuleBroken("detail-not-of-this-duty", detail, status=422, state=leg.state, allowed=list(known))
        if not _fits(known[name], values):
            codes = list(known[name].values)
            detail = f"{name} is {'some' if known[name].many else 'one'} of: {', '.join(codes)}."
            raise RuleBroken("detail-unknown", detail, status=422, state=leg.state, detail_of=name, allowed=codes)
    way = way_of(leg)
    told = {name: tuple(values) for name, values in details.items()}
    return msgspec.structs.replace(leg, way=msgspec.json.encode(msgspec.structs.replace(way, details={**way.details, **told})))


def _fits(row: DetailKind, values: Sequence[str]) -> bool:
    return bool(values) and len(set(values)) == len(values) and (row.many or len(values) == 1) and set(values) <= set(row.values)


def must_be_told(leg: Leg, kind: DutyKind | None, outcome: str) -> None:
    """An outcome that statistics count by a detail does without it for nobody."""
    told = way_of(leg).details
    needs = [row.detail for row in kind.details if outcome in row.needed_for and row.detail not in told] if kind else []
    if needs:
        raise RuleBroken("detail-missing", f"This outcome needs: {', '.join(needs)}.", status=422, state=leg.state, needs=needs)


def _one_of(what: str, codes: Collection[str]) -> str:
    return f"{what} are: {', '.join(codes)}." if codes else f"{what}: there are none."


def responsibility_of(
    kinds: Mapping[str, DutyKind], six: Iterable[Responsibility], duty: str, step: str | None, outcome: str | None
) -> str:
    """Which of the six a leg serves: by how it ended, else by the step it stands at, else by its duty; `none` for what serves none."""
    ended = next((row.responsibility for row in six if outcome in row.outcomes), None)
    kind = kinds.get(duty)
    at = next((row.responsibility for row in kind.steps if row.step == step), None) if kind else None
    return ended or at or (kind.responsibility if kind else None) or "none"


def path_problems(
    kinds: Collection[DutyKind], six: Collection[Responsibility], ledgers: Collection[Ledger], unconfirmed: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield (row, problem) for what a single row's form cannot show. `unconfirmed`: ids of sources that nobody confirmed."""
    names = [row.responsibility for row in six]
    yield from ((name, "name used twice") for name in dict.fromkeys(names) if names.count(name) > 1)
    for kind in kinds:
        yield from ((kind.duty, problem) for problem in _of_duty(kind, names))
        rows: tuple[StepKind | DetailKind, ...] = (*kind.steps, *kind.details)
        doubted = [name for row in rows if row.basis == "statutory" for name in row.sources if name in unconfirmed]
        yield from ((kind.duty, f"{name} is not confirmed: nothing rests on it as law") for name in doubted)
    steps = {kind.duty: {row.step for row in kind.steps} for kind in kinds}
    for row in ledgers:
        yield from ((row.ledger, f"unknown duty {duty}") for duty in row.duties if duty not in steps)
        theirs = {step for duty in row.duties for step in steps.get(duty, ())}
        yield from ((row.ledger, f"no step of its duties: {step}") for step in row.steps if step not in theirs)


def _of_duty(kind: DutyKind, six: Collection[str]) -> Iterator[str]:
    steps, details = [row.step for row in kind.steps], [row.detail for row in kind.details]
    yield from (f"{name} stands twice" for found in (steps, details) for name in dict.fromkeys(found) if found.count(name) > 1)
    for place, row in enumerate(kind.steps):
        yield from (f"{row.step} comes after {name}, which is no step before it" for name in row.after if name not in steps[:place])
    named = {kind.responsibility, *(row.responsibility for row in kind.steps)} - {None}
    yield from (f"unknown responsibility {name}" for name in sorted(map(str, named)) if name not in six)
    for detail in kind.details:
        yield from (f"{detail.detail}: no outcome {code} of this duty" for code in detail.needed_for if code not in kind.outcomes)
