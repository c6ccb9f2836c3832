"""What would change, and for which duty, if one rule set gave way to another?"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from services.referral.domain.rules import RuleSet

EVERY_DUTY = "every duty"
WHOLE_CASE = "the whole case"
_Table = Mapping[str, dict[str, Any]]


class Change(msgspec.Struct, frozen=True):
    """One difference. `duty`: whose; `what`: row, clock or column; a side that is None has nothing there."""

    duty: str
    what: str
    before: Any
    after: Any


def differences(one: RuleSet, other: RuleSet) -> tuple[Change, ...]:
    """Return every change of `other` against `one`, duties first. Titles of codes and events count too: people read them."""
    return (
        *_duties(one, other),
        *_rows(one, other),
        *_obligations(one, other),
        *_compared(EVERY_DUTY, "clock", _plain(one.clocks), _plain(other.clocks)),
        *_compared(EVERY_DUTY, "ladder", _plain(one.ladders), _plain(other.ladders)),
        *_compared(EVERY_DUTY, "ladder", _named(one.agency_ladders, "row"), _named(other.agency_ladders, "row")),
        *_compared(EVERY_DUTY, "office hours", _named(one.office_hours, "row"), _named(other.office_hours, "row")),
        *_compared(EVERY_DUTY, "limit", _named(one.limits, "row"), _named(other.limits, "row")),
        *_compared("the grade", "row", _named(one.grades, "row"), _named(other.grades, "row")),
        *_compared(WHOLE_CASE, "", *({"completeness": _fields(rule)} if (rule := rules.completeness) else {} for rules in (one, other))),
        *_compared(
            EVERY_DUTY, "responsibility", _named(one.responsibilities, "responsibility"), _named(other.responsibilities, "responsibility")
        ),
        *_compared(EVERY_DUTY, "ledger", _named(one.ledgers, "ledger"), _named(other.ledgers, "ledger")),
        *_compared(WHOLE_CASE, "", _rest(one), _rest(other)),
    )


def _duties(one: RuleSet, other: RuleSet) -> Iterable[Change]:
    before, after = _named(one.duties, "duty"), _named(other.duties, "duty")
    for name in dict.fromkeys((*before, *after)):
        yield from _compared(name, "duty", *({name: table[name]} if name in table else {} for table in (before, after)))


def _rows(one: RuleSet, other: RuleSet) -> Iterable[Change]:
    """Yield rows by duty: a row that moved to another duty leaves one and comes to the other."""
    before, after = ({(row.duty, row.row): row for row in rules.rows} for rules in (one, other))
    for duty, name in dict.fromkeys((*before, *after)):
        sides = ({name: _fields(table[duty, name])} if (duty, name) in table else {} for table in (before, after))
        yield from _compared(duty, "row", *sides)


def _obligations(one: RuleSet, other: RuleSet) -> Iterable[Change]:
    before, after = ({row.id: row for row in rules.obligations} for rules in (one, other))
    for name in dict.fromkeys((*before, *after)):
        duties = dict.fromkeys(table[name].duty or WHOLE_CASE for table in (before, after) if name in table)
        sides = ({name: _fields(table[name])} if name in table else {} for table in (before, after))
        yield from _compared(" and ".join(duties), "clock", *sides)


def _rest(rules: RuleSet) -> _Table:
    dated = {"valid_from": str(rules.valid_from), "valid_to": rules.valid_to and str(rules.valid_to)}
    return {"version": dated, "titles": _builtin(rules.titles), "texts": _builtin(rules.texts), "events": _builtin(rules.events)} | {
        "out_of_scope": _builtin(rules.out_of_scope)
    }


def _compared(duty: str, kind: str, before: _Table, after: _Table) -> Iterable[Change]:
    for name in dict.fromkeys((*before, *after)):
        what = f"{kind} {name}".strip()
        if name not in before or name not in after:
            yield Change(duty, what, before.get(name), after.get(name))
            continue
        old, new = before[name], after[name]
        for column in dict.fromkeys((*old, *new)):
            if old.get(column) != new.get(column):
                yield Change(duty, f"{what}, {column}", old.get(column), new.get(column))


def _named(rows: Iterable[msgspec.Struct], column: str) -> _Table:
    return {getattr(row, column): _fields(row) for row in rows}


def _plain(table: Mapping[Any, msgspec.Struct]) -> _Table:
    return {str(name): _fields(value) for name, value in table.items()}


def _fields(row: msgspec.Struct) -> dict[str, Any]:
    """Each column with its value, also where it is the usual one: what becomes usual has changed too."""
    return {name: msgspec.to_builtins(getattr(row, name)) for name in row.__struct_fields__}


def _builtin(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.to_builtins(value)
    return found
