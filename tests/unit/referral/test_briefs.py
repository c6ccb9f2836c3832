"""Does the table of the briefs name only rules and features that are there, and each sentence once, in order?"""

import re
from importlib import import_module
from typing import get_args

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from typer.testing import CliRunner

from deploy.cli import app as cli
from services.referral.domain.rule_rows import CODES, Basis, Department, Reporter
from tests.guards.sources import SERVICES
from tests.unit.referral.test_obligations import FILE, ROWS, RULES

TEXT = (FILE.parent / "briefs.md").read_text(encoding="utf-8")
LINES = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if re.match(r"\| \d", line)]
SENTENCES = {1: 9, 2: 13, 3: 7, 4: 12, 5: 4}
"""How many sentences of each brief put a duty on somebody."""
STATES = ("built", "data", "missing", "as there", "rows ", "as ")
PLACES = {"2026-11.yaml", "../shared/data/briefs.txt", "code"}


def named(pattern: str) -> set[str]:
    return set(re.findall(pattern, TEXT))


def test_every_rule_situation_and_group_named_there_exists() -> None:
    assert named(r"\b[A-Z]\d{2}\b") <= {*ROWS, *RULES.out_of_scope}
    assert named(r"\b[LMK]\d[ab]?\b") <= set(CODES)


def test_every_duty_row_clock_outcome_and_column_named_there_exists() -> None:
    known = {kind.duty for kind in RULES.duties} | {outcome for kind in RULES.duties for outcome in kind.outcomes}
    known |= {row.row for row in RULES.rows} | {row.row for row in RULES.grades} | {f"local.{row.id}" for row in ROWS.values()}
    known |= {*RULES.events, "delivered", "seen", "accepted", "active", "done"} | {str(row.missed) for row in ROWS.values()}
    known |= {row.step for kind in RULES.duties for row in kind.steps} | {row.detail for kind in RULES.duties for row in kind.details}
    known |= {row.ledger for row in RULES.ledgers}
    known |= {*get_args(Department), *get_args(Reporter), *get_args(Basis), *RULES.__struct_fields__, *PLACES}
    unknown = {word for word in named(r"`([^`]+)`") - known if not word.startswith(("heli ", "GET /", "POST /"))}
    assert unknown == set()


def test_every_command_named_there_exists() -> None:
    commands = named(r"`heli ([^`]+)`")
    assert "rules explain" in commands
    for command in commands:
        assert CliRunner().invoke(cli, [*command.split()[:2], "--help"]).exit_code == 0, command


def test_every_route_named_there_exists() -> None:
    served = set()
    for service in SERVICES:
        app = FastAPI()
        app.include_router(import_module(f"services.{service}.api").router, prefix=f"/{service}")
        served |= {
            f"{method} {route.path}" for route in iter_route_contexts(app.routes) for method in getattr(route, "methods", None) or ()
        }
    told = named(r"`((?:GET|POST) /[^`]+)`")
    assert told
    assert told <= served


def test_each_sentence_stands_once_in_order_with_its_state() -> None:
    numbers = [line[0] for line in LINES]
    assert numbers == [f"{brief}.{place}" for brief, count in SENTENCES.items() for place in range(1, count + 1)]
    assert all(len(line) == 4 and line[3].startswith(STATES) for line in LINES)
    references = {number for line in LINES for cell in line[2:] for number in re.findall(r"\b[1-5]\.\d{1,2}\b", cell)}
    assert references <= set(numbers)
