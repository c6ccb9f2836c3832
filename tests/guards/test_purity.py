"""Do decisions read no clock, draw no lot and never wait (design, section 2: the same message decides the same again)?"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guards.sources import ROOT, SERVICES, Fault, calls, dotted, imports, parse, plant, python_files, shown, within

MODULES = ("time", "random", "secrets", "os", "asyncio", "threading", "subprocess", "socket", "uuid_utils", "zoneinfo", "pathlib", "sys")
NAMES = (
    "uuid.uuid1", "uuid.uuid4", "uuid.uuid7", "datetime.now", "shared.identifiers.uuid7", "shared.identifiers.new_short_code",
)  # fmt: skip
LAST = ("now", "utcnow", "today", "uuid1", "uuid4", "uuid7", "urandom", "getrandbits", "fromtimestamp_now", "monotonic", "perf_counter")
WHOLE = ("open", "input", "print", "eval", "exec", "new_short_code")


def pure_files(root: Path) -> Iterator[Path]:
    for service in SERVICES:
        for part in ("domain", "handlers"):
            yield from python_files(root, f"services/{service}/{part}")
            yield from (path for path in [root / "services" / service / f"{part}.py"] if path.exists())


def faults_in(root: Path) -> Iterator[Fault]:
    for path in pure_files(root):
        place = str(path.relative_to(root))
        for found in imports(root, path):
            if within(found.module, *MODULES) or found.module in NAMES:
                yield Fault(place, found.line, f"imports {found.module}")
        tree = parse(path)
        for call in calls(tree):
            if call.name in WHOLE or ("." in call.name and call.name.rsplit(".", 1)[1] in LAST):
                yield Fault(place, call.line, f"calls {call.name}")
        yield from (Fault(place, node.lineno, "waits") for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef | ast.Await))
        yield from (Fault(place, line, "changes an aggregate in place") for line in _changes(tree))


def _changes(tree: ast.AST) -> Iterator[int]:
    """An assignment to an attribute of anything but `self`: a frozen aggregate would refuse it only at run time."""
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
        yield from (target.lineno for target in targets if isinstance(target, ast.Attribute) and dotted(target.value) != "self")


def test_domain_and_handlers_are_pure() -> None:
    assert shown(faults_in(ROOT)) == []


def test_the_guard_sees_every_service() -> None:
    seen = {path.relative_to(ROOT).parts[1:3] for path in pure_files(ROOT)}
    assert all((s, f"{part}.py") in seen or (s, part) in seen for s in SERVICES for part in ("domain", "handlers"))


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("x = datetime.now(UTC)", "calls datetime.now"),
        ("x = datetime.datetime.utcnow()", "calls datetime.datetime.utcnow"),
        ("x = date.today()", "calls date.today"),
        ("x = uuid.uuid4()", "calls uuid.uuid4"),
        ("from uuid import uuid4", "imports uuid.uuid4"),
        ("from shared.identifiers import uuid7", "imports shared.identifiers.uuid7"),
        ("from shared.identifiers import new_short_code as code", "imports shared.identifiers.new_short_code"),
        ("import random", "imports random"),
        ("from time import monotonic as clock", "imports time.monotonic"),
        ("import os.path", "imports os.path"),
        ("x = open('a')", "calls open"),
        ("leg.seen_at = at.now", "changes an aggregate in place"),
        ("leg.rung += 1", "changes an aggregate in place"),
    ],
)
@pytest.mark.parametrize("place", ["services/referral/domain/leg", "services/intake/handlers", "services/guardianship/domain"])
def test_a_planted_act_is_named(tmp_path: Path, place: str, line: str, rule: str) -> None:
    plant(tmp_path, {place: f"def decide():\n    {line}\n"})
    assert shown(faults_in(tmp_path)) == [f"{place}.py:2: {rule}"]


def test_a_decision_that_waits_is_named(tmp_path: Path) -> None:
    plant(tmp_path, {"services/intake/handlers": "async def decide():\n    await x\n"})
    assert shown(faults_in(tmp_path)) == ["services/intake/handlers.py:1: waits", "services/intake/handlers.py:2: waits"]


def test_the_moment_that_is_given_is_not_named(tmp_path: Path) -> None:
    plant(tmp_path, {"services/intake/handlers": "def decide(at):\n    return at.now, at.received, uuid5(a, b), self.today\n"})
    assert shown(faults_in(tmp_path)) == []
