"""Does the checker see a bug that is there? Each kind is planted in running services: a quick one always, all (a minute each) with HELI_PLANTED=1."""

import ast
import asyncio
import os
import sys
from pathlib import Path

import pytest

from deploy.local.state import PROJECT
from tests.stories.faults import planted
from tests.stories.faults.planted import BUGS, Planted
from tests.stories.faults.rounds import Say

QUICK = {"effect-without-inbox"}
CHECKER = ("checker.py", "facts.py", "ledger.py")
BOUND_SECONDS = 300


@pytest.mark.parametrize("name", BUGS if os.environ.get("HELI_PLANTED") else sorted(QUICK))
async def test_a_planted_bug_makes_the_checker_fail_and_name_the_invariant(name: str) -> None:
    program = [sys.executable, "-m", "tests.stories.faults", "--planted", name]
    run = await asyncio.create_subprocess_exec(*program, cwd=PROJECT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    try:
        said, _ = await asyncio.wait_for(run.communicate(), BOUND_SECONDS)
    finally:
        if run.returncode is None:
            run.kill()
    last = said.decode().splitlines()[-1]
    assert last.startswith(f"planted {name} caught: "), said.decode()
    assert any(invariant in last for invariant in BUGS[name].invariants)


async def test_a_checker_that_names_the_invariant_without_the_bug_too_catches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def named(bug: Planted, name: str | None, _: Say) -> list[str]:
        return sorted(bug.invariants) if name or name in wrong else []

    wrong: set[str | None] = set()
    monkeypatch.setattr(planted, "_named", named)
    assert await planted.expose("ladder-without-gap", lambda _: None) == 0
    wrong.add(None)
    assert await planted.expose("ladder-without-gap", lambda _: None) == 1


def test_the_checker_shares_no_code_with_what_it_checks() -> None:
    """Neither itself nor through what it imports."""
    for file in CHECKER:
        tree = ast.parse(Path(__file__).with_name(file).read_text())
        modules = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        modules |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        ours = {name for name in modules if name.split(".")[0] in {"services", "shared", "deploy", "tests"}}
        assert ours <= {"tests.stories.faults.facts", "tests.stories.faults.ledger"}, file
