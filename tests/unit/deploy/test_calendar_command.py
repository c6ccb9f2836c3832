"""Does `heli calendar due` tell the end of a period, with its doubts and the promised exit codes, without any service?"""

import json

import pytest
from typer.testing import CliRunner, Result

from deploy.cli import app
from shared.calendar import Calendar, shipped

EVE = "2026-02-13T10:00:00+08:00"


def heli(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.mark.parametrize(
    ("words", "end", "warnings"),
    [
        (("--from", EVE, "--hours", "24"), "2026-02-14T10:00:00+08:00", []),
        (("--from", EVE, "--days", "3"), "2026-02-25T00:00:00+08:00", []),
        (("--from", EVE, "--working-days", "1"), "2026-02-15T00:00:00+08:00", []),
        (("--from", EVE, "--working-days", "5"), "2026-02-28T00:00:00+08:00", []),
        (("--from", EVE, "--months", "1"), "2026-03-14T00:00:00+08:00", []),
        (("--from", "2026-02-13T02:00:00Z", "--days", "0"), "2026-02-14T00:00:00+08:00", []),
        (("--from", "2026-12-31T10:00:00+08:00", "--days", "1"), "2027-01-02T00:00:00+08:00", ["calendar-year-unpublished:2027"]),
        (("--from", "2026-07-21T10:00:00+08:00", "--working-days", "1", "--region", "239902"), "2026-07-23T00:00:00+08:00", []),
        (("--from", "2026-07-21T10:00:00+08:00", "--working-days", "1", "--region", "239903"), "2026-07-25T00:00:00+08:00", []),
        (("--from", "2026-07-24T10:00:00+08:00", "--working-days", "1", "--region", "239903"), "2026-07-26T00:00:00+08:00", []),
    ],
)
def test_calendar_due_tells_the_end_the_calendar_and_its_doubts(words: tuple[str, ...], end: str, warnings: list[str]) -> None:
    done = heli("calendar", "due", *words, "--json")
    assert json.loads(done.stdout) == {"due": end, "calendar": Calendar.parse(shipped()).hash, "warnings": warnings}
    plain = heli("calendar", "due", *words)
    assert (plain.exit_code, end in plain.stdout, "WARNING" in plain.stderr) == (0, True, bool(warnings))


@pytest.mark.parametrize(
    "words",
    [
        ("--days", "3"),
        ("--from", EVE),
        ("--from", EVE, "--days", "3", "--hours", "3"),
        ("--from", "noon", "--days", "3"),
        ("--from", EVE, "--days", "-1"),
        ("--from", EVE, "--days", "x"),
        ("--from", EVE, "--months", "100000"),
        ("--from", EVE, "--months", "100001"),
        ("--from", EVE, "--days", "3", "--region", "999999"),
    ],
)
def test_calendar_due_refuses_what_is_no_period_with_exit_2(words: tuple[str, ...]) -> None:
    done = heli("calendar", "due", *words, "--json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr
