"""When is an error that we do not know, met again and again, called hopeless?"""

from types import SimpleNamespace

import pytest

from shared import patience


def test_the_time_that_was_waited_for_a_database_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(patience, "_TROUBLES", {})
    note = patience._note  # noqa: SLF001 - what `patiently` does between two pauses
    note("late", ConnectionRefusedError(), transient=True)
    clock.now += 100
    assert (patience.hopeless(60), patience.waiting("late")) == (None, True)
    note("late", LookupError("a bug"), transient=False)
    assert patience.hopeless(60) is None
    clock.now += 61
    note("late", LookupError("a bug"), transient=False)
    assert patience.hopeless(60) == "late"
