"""In which sentence does each journal entry tell what happened? Pure; a type or field that it does not know breaks nothing."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from shared.calendar import SHANGHAI
from shared.identifiers import case_of, leg_number

READ_LATE = timedelta(seconds=1)
"""From here on it is said that an answer was received earlier than it was read."""
FACT_CLOCKS = {"leg.delivered": "delivered", "leg.seen": "seen", "leg.accepted": "accepted", "leg.active": "active"}
SENTENCES = {
    "report.accepted": "accepted from a {reporter_kind}: {what}",
    "report.progressed": "the reporter may know: {department} {fact}",
    "report.stalled": "stalled: its cases were to be open by {due}",
    "report.missed": "{by} says that {party} ({reporter_kind}) owed this report: {reason}",
    "report.read": "read by {agency} as {department} ({role}): {fields}",
    "case.opened": "case opened, {grade}: {legs} legs",
    "case.closed": "case closed: every leg has ended",
    "case.linked": "linked to the other cases of the child: {reason}",
    "case.unlinked": "taken out of the cases of the child: {reason}",
    "case.raised": "raised from {before} to {grade}",
    "case.rules_changed": "moved to other rules by {by}: {reason}",
    "case.lowered": "lowered from {before} to {grade}",
    "leg.covered": "{agency} ({department}) owes {duty} for the child already",
    "leg.rescheduled": "clocks of {agency} computed again: {why}",
    "child.opened": "file of the child opened",
    "leg.issued": "{agency} ({department}) owes {duty}",
    "leg.delivered": "delivered to {agency}",
    "leg.seen": "seen by {by} via {via}",
    "leg.accepted": "accepted by {by} via {via}",
    "leg.active": "active: {by} via {via}",
    "leg.declined": "declined by {by} via {via}: {reason}",
    "leg.forwarded": "forwarded by {by} via {via} to {to}: {reason}",
    "leg.stepped": "step {step}, by {by} via {via}",
    "leg.fulfilled": "fulfilled by {by} via {via}: {outcome}",
    "withdrawal.asked": "{by} asks {agency} to let go of it: {reason}",
    "withdrawal.refused": "kept by {by} via {via}",
    "leg.withdrawn": "let go by {by} via {via}: {reason}",
    "leg.voided": "void, says {by}: {reason}",
    "leg.held": "held by {by} via {via} until {until}: {reason}",
    "leg.resumed": "goes on, via {via}",
    "leg.lapsed": "lapsed: {agency} had accepted and did not act by {due}",
    "leg.undeliverable": "undeliverable: no way to {agency} was left ({error})",
    "leg.claimed": "an officer of {agency} has it",
    "leg.released": "lies in the queue of {agency} again",
    "leg.overdue": "overdue: {agency} not {clock} by {due}",
    "leg.escalated": "rung {rung} ({who}): {to} to be told that {agency} is not {clock}",
    "leg.reminded": "rung {rung} ({who}) again, {times}: {to} to be told that {agency} is not {clock}",
    "leg.acknowledged": "rung {rung}: {by} has taken note via {via}",
    "leg.pressed": "pressed by {by}: {agency} to answer by {due} ({reason})",
    "press.answered": "{agency} has answered the press of {by}: {answer}",
    "press.missed": "{agency} has not answered the press of {by} by {due}",
    "press.closed": "press closed by {by}",
    "answer.refused": "refused: {answer} of {agency} via {via}: {reason}",
    "notice.delivered": "{party} told of {about} via {channel}, attempt {attempt}",
    "notice.delayed": "{party} not reached with {about} via {channel}, attempt {attempt}: {error}",
    "notice.unroutable": "no way to {party} is known yet: its notice of {about} waits",
    "notice.undeliverable": "{party} not to be reached with {about}: {error}",
    "link.answered": "the button behind a link of {agency} was pressed: {answer}",
}


class Names(msgspec.Struct, frozen=True):
    """What sentences call things: the number of each case, and when each clock that was missed had been due, by (leg, clock)."""

    cases: Mapping[str, int] = {}
    missed: Mapping[tuple[str, str], datetime] = {}

    def leg(self, leg: str) -> str:
        """`1.2`: the second leg of the first child's case."""
        try:
            found = UUID(leg)
            return f"{self.cases.get(str(case_of(found)), '?')}.{leg_number(found)}"
        except ValueError:
            return "?"


class _Facts(dict[str, Any]):
    """A field that is not there reads as a question mark; times read as people's, lists as words."""

    def __missing__(self, _: str) -> str:
        return "?"

    def __getitem__(self, name: str) -> Any:
        value = super().__getitem__(name)
        if isinstance(value, list):
            return ", ".join(map(str, value)) or "-"
        return when(value) if name in ("due", "until") and isinstance(value, str) else "-" if value is None else value


def short_type(name: str) -> str:
    """`leg.issued` of `heli.leg.issued.v1`."""
    return ".".join(name.split(".")[1:-1]) or name


def instant(text: str) -> datetime:
    """A time as the services write it."""
    return datetime.fromisoformat(text)


def when(at: str | datetime, *, ms: bool = False) -> str:
    """As a person in China reads it."""
    local = (instant(at) if isinstance(at, str) else at).astimezone(SHANGHAI)
    return f"{local:%Y-%m-%d %H:%M:%S}" + (f".{local.microsecond // 1000:03}" if ms else "")


def near(at: str | datetime, entry: Mapping[str, Any]) -> str:
    """The same without the day of the entry in whose sentence it stands."""
    told, day = when(at), when(entry["at"])[:11]
    return told.removeprefix(day).removeprefix(day[:5])


def sentence(entry: Mapping[str, Any], names: Names) -> str:
    """What one journal entry says."""
    kind, data = short_type(entry["type"]), entry.get("data") or {}
    told = _Facts({"by": entry.get("actor") or data.get("agency"), "what": _what(data), **data})
    tail = TAILS.get(kind)
    return "; ".join([SENTENCES.get(kind, kind).format_map(told), *(tail(entry, names) if tail else ())])


def _what(data: Mapping[str, Any]) -> str:
    codes = " ".join([*data.get("situations", ()), *data.get("groups", ())]) or "groups of the children alone"
    count = len(data.get("children", ()))
    return f"{codes}, {count} {'child' if count == 1 else 'children'}"


def _owed(entry: Mapping[str, Any], names: Names) -> list[str]:
    data = entry["data"]
    dues = [f"{clock} by {near(due, entry)}" for clock, due in (data.get("due") or {}).items() if due]
    marks = ["nobody was responsible"] if data.get("unassigned") else []
    replaced = [f"replaces leg {names.leg(data['replaces'])}"] if data.get("replaces") else []
    return [*marks, *replaced, *([", ".join(dues)] if dues else [])]


def _answered(entry: Mapping[str, Any], names: Names) -> list[str]:
    """An answer counts from when it was received: that is said when it was read later."""
    data, said = entry["data"], []
    if data.get("claimed_at"):
        said.append(f"it says: at {near(data['claimed_at'], entry)}")
    received = instant(data["at"]) if data.get("at") else None
    if received is not None and instant(entry["at"]) - received >= READ_LATE:
        due = names.missed.get((str(data.get("leg")), FACT_CLOCKS.get(short_type(entry["type"]), "done")))
        said.append(f"received at {near(received, entry)}" + (", in time, read late" if due is not None and received <= due else ""))
    return said


def _declined(entry: Mapping[str, Any], names: Names) -> list[str]:
    data = entry["data"]
    replaced = [f"replaced by leg {names.leg(data['replaced_by'])}"] if data.get("replaced_by") else []
    return [*_answered(entry, names), *replaced, *([f"{data['tell']} to be told"] if data.get("tell") else [])]


def _late(entry: Mapping[str, Any], _: Names) -> list[str]:
    return ["later than planned"] if entry["data"].get("late") else []


def _state(entry: Mapping[str, Any], _: Names) -> list[str]:
    state = entry["data"].get("state")
    return [f"the leg is {state}"] if state else []


def _again(entry: Mapping[str, Any], _: Names) -> list[str]:
    due = entry["data"].get("next_due")
    return [f"next at {near(due, entry)}" if due else "no further attempt"]


TAILS: dict[str, Callable[[Mapping[str, Any], Names], list[str]]] = {
    "leg.issued": _owed,
    "leg.seen": _answered,
    "leg.accepted": _answered,
    "leg.active": _answered,
    "leg.declined": _declined,
    "leg.forwarded": _declined,
    "leg.stepped": _answered,
    "leg.fulfilled": _answered,
    "leg.held": _answered,
    "leg.withdrawn": _answered,
    "withdrawal.refused": _answered,
    "leg.escalated": _late,
    "answer.refused": _state,
    "notice.delayed": _again,
}
