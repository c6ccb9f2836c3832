"""Did everything happen once that should, and nothing else? Compares what is expected with what was found; pure."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from deploy.demo.cast import Role
from deploy.demo.expectation import Expectation, Ladder, Leg
from deploy.demo.facts import Entry, Found, leg_of

Row = dict[str, Any]
FACTS = ("delivered", "seen", "accepted", "active")
ISSUED, ESCALATED, STALLED = "leg.issued", "leg.escalated", "report.stalled"
EARLY_SECONDS = 0.05
"""Two rungs are recorded a moment after they were decided, not always the same moment."""


class Run(NamedTuple):
    """What was expected, how the partners behave, which report was filed under which key, and what was found."""

    expected: Expectation
    roles: dict[str, Role]
    keys: dict[str, str]
    found: Found

    @property
    def silent(self) -> dict[Leg, Ladder]:
        return {leg: ladder for leg, ladder in self.expected.legs.items() if not self.roles[leg.agency].answers}

    @property
    def rungs(self) -> int:
        return sum(len(ladder.told) for ladder in self.silent.values())


def differences(run: Run) -> Iterator[str]:
    """Every difference, named, what matters most first; none = the verdict is ok."""
    yield from _reports(run)
    yield from _legs(run)
    yield from _answers(run)
    yield from _ladders(run)
    yield from _deliveries(run)
    for code, entries in run.found.feeds.items():
        yield from _feed(code, entries)
    yield from _told(run)
    yield from _readings(run)
    yield from _left_over(run.found)


def _reports(run: Run) -> Iterator[str]:
    found = run.found
    filed = {str(row["id"]) for row in found.reports}
    yield from (f"report {key} was accepted and is not in intake's database" for report, key in run.keys.items() if report not in filed)
    yield from (f"report {report} is in intake's database and nobody filed it" for report in sorted(filed - set(run.keys)))
    yield from (f"report {run.keys.get(str(row['id']))}: not every case is open" for row in found.reports if row["opened_at"] is None)
    cases = Counter((run.keys.get(str(row["report"]), "?"), row["number"]) for row in found.cases)
    yield from _compared("case", Counter(run.expected.cases), cases)
    children = len({row["child"] for row in found.cases})
    if not run.expected.children == children == found.files["children"]:
        yield f"{run.expected.children} children were expected; referral knows {children}, guardianship {found.files['children']}"
    if found.files["cases"] != len(found.cases):
        yield f"guardianship knows {found.files['cases']} cases, referral {len(found.cases)}"


def _compared(what: str, expected: Counter[Any], found: Counter[Any]) -> Iterator[str]:
    for item in sorted({*expected, *found}):
        if expected[item] != found[item]:
            shown = ", ".join(f"{value}" for value in item)
            yield f"{what} ({shown}): expected {expected[item]}, found {found[item]}"


def _legs(run: Run) -> Iterator[str]:
    yield from _compared("leg", Counter(list(run.expected.legs)), Counter(leg_of(row, run.keys) for row in run.found.legs))
    known, followed = {row["id"]: row for row in run.found.legs}, {row["id"]: row for row in run.found.followed}
    for leg in sorted({*known, *followed}, key=str):
        ours, theirs = known.get(leg), followed.get(leg)
        facts = FACTS[:3] if ours and theirs else ()
        if not (ours and theirs):
            yield f"leg {leg} is known to {'referral' if ours else 'intake'} alone"
        elif any((ours[f"{fact}_at"] is None) != (theirs[f"{fact}_at"] is None) for fact in facts) or ours["ended"] != theirs["ended"]:
            yield f"leg {leg}: the reporter is told otherwise than referral knows"


def _answers(run: Run) -> Iterator[str]:
    for row in run.found.legs:
        answers = run.roles[row["agency"]].answers
        reached = {fact for fact in FACTS if row[f"{fact}_at"] is not None} | ({row["ended"]} if row["ended"] else set())
        wanted = {"delivered", *answers}
        if reached != wanted:
            leg = leg_of(row, run.keys)
            yield f"leg {row['id']} of {leg.agency} ({leg.report}): reached {_listed(reached)}, expected {_listed(wanted)}"


def _ladders(run: Run) -> Iterator[str]:
    """A silent leg wakes everybody on its ladder once, in order, not closer together than the gap; no other leg wakes anybody."""
    fired: dict[str, list[Row]] = {}
    for event in run.found.escalated:
        fired.setdefault(event["leg"], []).append(event)
    for row in run.found.legs:
        leg, events = leg_of(row, run.keys), fired.pop(str(row["id"]), [])
        ladder = run.silent.get(leg, Ladder((), 0))
        told, wanted = [(event["rung"], event["to"]) for event in events], list(enumerate(ladder.told))
        if told != wanted:
            yield f"silence of {leg.agency} about {leg.report}, child {leg.child}, {leg.duty}: rungs {told}, expected {wanted}"
        gaps = [(later["recorded"] - earlier["recorded"]).total_seconds() for earlier, later in itertools.pairwise(events)]
        yield from (f"leg {row['id']}: two rungs only {gap:.2f} s apart" for gap in gaps if gap < ladder.gap - EARLY_SECONDS)
    yield from (f"rungs fired for the leg {leg}, which does not exist" for leg in fired)


def _deliveries(run: Run) -> Iterator[str]:
    """Each notice of a leg goes once to whom it concerns, through the one channel that it has."""
    planned = _planned(run)
    made = Counter(
        (str(row["notice_id"]), row["about"], row["party"]) for row in run.found.deliveries if row["about"] in (ISSUED, ESCALATED)
    )
    yield from _compared("notice", planned, made)
    for row in run.found.deliveries:
        role = run.roles.get(row["party"])
        # A receiver may have taken it and answered while its 2xx was lost: then nobody needs to tell it again.
        if row["state"] not in ("delivered", "ended"):
            yield f"notice {row['about']} to {row['party']} is {row['state']}"
        elif role and row["channel"] != role.told:
            yield f"notice {row['about']} to {row['party']} went by {row['channel']}"
        elif role and row["attempt"] <= role.stumbles:
            yield f"notice {row['about']} to {row['party']} took {row['attempt']} attempts, although the first {role.stumbles} were refused"


def _planned(run: Run) -> Counter[tuple[str, str, str]]:
    planned: Counter[tuple[str, str, str]] = Counter()
    for row in run.found.legs:
        planned[str(row["id"]), ISSUED, row["agency"]] += 1
        for to in run.silent.get(leg_of(row, run.keys), Ladder((), 0)).told:
            planned[str(row["id"]), ESCALATED, to] += 1
    return planned


def _feed(code: str, entries: list[Entry]) -> Iterator[str]:
    """Numbers 1, 2, 3 ... of 20 digits; the same record may lie there twice, but then with the same id and the same number."""
    numbers: dict[str, str] = {}
    for entry in entries:
        if numbers.setdefault(entry.id, entry.sequence) != entry.sequence:
            yield f"feed of {code}: {entry.id} has two numbers, {numbers[entry.id]} and {entry.sequence}"
    wanted = [f"{number:020d}" for number in range(1, len(numbers) + 1)]
    if list(numbers.values()) != wanted:
        odd = next((pair for pair in zip(numbers.values(), wanted, strict=True) if pair[0] != pair[1]), None)
        yield f"feed of {code}: number {odd[0] if odd else '?'} stands where {odd[1] if odd else '?'} belongs"


def _told(run: Run) -> Iterator[str]:
    """What lies on the feeds is what was planned for agencies with a feed, no more and no less; a slow machine's late cases aside."""
    planned = Counter({item: count for item, count in _planned(run).items() if run.roles[item[2]].told == "topic"})
    once = {entry.id: entry.told for entries in run.found.feeds.values() for entry in entries}
    told = Counter((str(body.get("leg")), str(body["about"]), str(body["party"])) for body in once.values() if body["about"] != STALLED)
    yield from _compared("feed entry", planned, told)


def _readings(run: Run) -> Iterator[str]:
    """Every opening of a report by an agency is on record."""
    recorded = {(event["report"], event["agency"]) for event in run.found.read}
    owed = {(str(row["report"]), row["agency"]) for row in run.found.legs if run.roles[row["agency"]].reads}
    yield from (f"{agency} has read report {run.keys.get(report)}, and no record says so" for report, agency in sorted(owed - recorded))
    yield from (f"{agency} is on record as a reader of report {report}, and has no reason" for report, agency in sorted(recorded - owed))


def _left_over(found: Found) -> Iterator[str]:
    yield from (f"{count} messages are parked in {name}" for name, count in found.parked.items() if count)
    yield from (f"{count} records wait to be sent in {name}" for name, count in found.pending.items() if count)
    yield from (f"{count} dead letters lie in {topic}" for topic, count in found.dead.items())


def _listed(words: Iterable[str]) -> str:
    return " ".join(sorted(words)) or "nothing"
