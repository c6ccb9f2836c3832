"""What became of each row of a directory sheet, for a person, a program, and the sheet's author?"""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from deploy.directory.columns import Line

COLUMNS = ("row", "code", "verdict", "field", "rule")
RUNS = ("=", "+", "-", "@", "\t", "\r")
"""What makes Excel run the text of a cell."""
SHOWN = 50
MEANS = {
    "string_pattern_mismatch": "missing, or not in the form that it needs",
    "literal_error": "no word that is known here",
    "department-unknown": "no department that is known here",
    "region-unknown": "not in the division data",
    "superior-unknown": "neither in the sheet nor in the directory",
    "superior-circle": "stands above itself",
    "yes-or-no": "neither yes (是) nor no (否)",
    "left-without": "somebody was responsible, and nobody would be",
    "without": "nobody is responsible there",
}
"""What a person reads beside a rule."""


class Row(msgspec.Struct, frozen=True):
    """A verdict: row as Excel counts, `created | changed | unchanged | rejected`, and every (field, rule) that speaks against it."""

    row: int
    code: str
    verdict: str
    faults: tuple[tuple[str, str], ...] = ()

    def cells(self) -> Iterator[dict[str, Any]]:
        """One record per fault; one without for a row that has none."""
        for field, rule in self.faults or (("", ""),):
            yield {"row": self.row, "code": self.code, "verdict": self.verdict, "field": field, "rule": rule}


def joined(found: list[Line], answer: dict[str, Any]) -> list[Row]:
    """Our own faults of a row beside those of the service, which judged the rows in the same order."""
    rows = []
    for line, judged in zip(found, answer["verdicts"], strict=True):
        faults = (*line.faults, *((fault["field"], fault["rule"]) for fault in judged["faults"]))
        verdict = "rejected" if line.faults else judged["verdict"]
        rows.append(Row(line.row, str(line.entry["code"]), verdict, faults))
    return rows


def as_csv(rows: list[Row]) -> bytes:
    """UTF-8 with a mark, so that Excel reads it; no cell can begin a formula."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    for cells in (cells for row in rows for cells in row.cells()):
        writer.writerow({name: f"'{cell}" if str(cell).startswith(RUNS) else cell for name, cell in cells.items()})
    return text.getvalue().encode("utf-8-sig")


def as_json(rows: list[Row], answer: dict[str, Any], *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "applied": answer["applied"],
        "counts": counts(rows),
        "rows": [cells for row in rows for cells in row.cells()],
        "gaps": answer["gaps"],
        "directory": answer["directory"],
    }


def as_text(rows: list[Row], answer: dict[str, Any], *, dry_run: bool) -> Iterator[str]:
    rejected = [cells for row in rows if row.verdict == "rejected" for cells in row.cells()]
    yield from (
        f"row {cells['row']}: {cells['code'] or '(no code)'}: {cells['field']}: {_said(cells['rule'])}" for cells in rejected[:SHOWN]
    )
    yield from (f"{gap['name']} ({gap['region']}): nobody for {gap['department']}: {_said(gap['rule'])}" for gap in answer["gaps"][:SHOWN])
    yield from answer["directory"][:SHOWN]
    more = max(0, len(rejected) - SHOWN) + max(0, len(answer["gaps"]) - SHOWN) + max(0, len(answer["directory"]) - SHOWN)
    if more:
        yield f"and {more} more: --json or --verdict shows all"
    yield ", ".join(f"{number} {verdict}" for verdict, number in counts(rows).items())
    if answer["applied"]:
        yield "Entered."
    else:
        yield (
            "Nothing was changed."
            if not dry_run or not possible(rows, answer)
            else "Nothing was changed: it was a dry run. Without --dry-run it is entered."
        )


def _said(rule: str) -> str:
    return f"{MEANS[rule]} ({rule})" if rule in MEANS else rule


def possible(rows: list[Row], answer: dict[str, Any]) -> bool:
    """Whether an import would be taken."""
    return not (answer["gaps"] or answer["directory"] or any(row.verdict == "rejected" for row in rows))


def counts(rows: list[Row]) -> dict[str, int]:
    return dict(Counter(row.verdict for row in rows))
