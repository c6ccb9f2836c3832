"""Does a soak fail on what grows, and on nothing else?"""

from typing import Any

import msgspec
import pytest

from tests.bench.soak import BACKLOG, Look, faults

STEADY = Look(
    minute=0.0,
    memory={"intake": 100.0, "referral": 110.0},
    waiting=10,
    tables={"inbox": 5.0, "outbox": 6.0, "mailbox": 0.1, "journal": 9.0},
    reports=0,
    legs_open=0,
)


def looks(**last: Any) -> list[Look]:
    """Ten looks; the first fifth is the warm-up, and the last one differs."""
    return [
        *(msgspec.structs.replace(STEADY, minute=float(minute)) for minute in range(9)),
        msgspec.structs.replace(STEADY, minute=9.0, **last),
    ]


def test_steady_work_is_no_fault() -> None:
    assert faults(looks()) == []


def test_inbox_and_journal_may_grow_with_the_work() -> None:
    assert faults(looks(tables=STEADY.tables | {"inbox": 500.0, "journal": 900.0})) == []


def test_what_is_taken_while_warming_up_is_no_growth() -> None:
    cold = msgspec.structs.replace(STEADY, memory={"intake": 60.0, "referral": 60.0})
    assert faults([cold, *looks()]) == []


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ({"memory": {"intake": 131.0, "referral": 110.0}}, "intake: 100 MB after the warm-up, 131 MB at the end"),
        ({"tables": STEADY.tables | {"outbox": 51.0}}, "outbox: 51 MB"),
        ({"tables": STEADY.tables | {"mailbox": 51.0}}, "mailbox: 51 MB"),
        ({"waiting": BACKLOG + 1}, "minute 9.0: 2001 rows wait to be sent"),
    ],
)
def test_what_grew_is_named(last: dict[str, Any], said: str) -> None:
    assert faults(looks(**last)) == [said]


def test_a_soak_that_looked_at_nothing_has_shown_nothing() -> None:
    assert faults([]) == ["nothing was looked at: more minutes are needed"]
