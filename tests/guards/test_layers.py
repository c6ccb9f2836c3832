"""Does every module import only what lies below it (design, section 3)?"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guards.sources import ROOT, SERVICES, Fault, Import, imports, module_of, plant, python_files, shown, within

DOORS = ("api", "pages", "consumer", "sweep")
LAYERS = (("__main__",), ("app",), DOORS, ("oversight",), ("store",), ("tables",), ("handlers",), ("domain",))
"""Top to bottom: a module imports its own layer's package and what lies below; a door never another door."""
BESIDE = {"channels": ("channels", "domain"), "migrations": ("tables",), "rules": (), "auditor": ("tables",)}
"""What the parts outside that order may import of their own service; only doors and app may import channels."""
PURE = ("handlers", "domain")
FOR_AUDITOR = ("shared.contracts", "shared.logs", "shared.settings")
"""It watches what runs on the rest."""
FOR_PURE = ("shared.calendar", "shared.contracts", "shared.errors", "shared.identifiers", "shared.messages", "shared.regions")
OUTSIDE = (
    "asyncpg", "sqlmodel", "sqlalchemy", "alembic", "fastapi", "starlette", "faststream", "aiokafka", "httpx", "httpcore", "asyncio",
    "socket", "requests", "uvicorn", "opentelemetry", "structlog",
)  # fmt: skip
"""What does I/O: not for what is pure."""


def rank(part: str) -> int | None:
    return next((place for place, parts in enumerate(LAYERS) if part in parts), None)


def faults_in(root: Path) -> Iterator[Fault]:
    for path in python_files(root, "services", "shared"):
        own = module_of(root, path)
        for found in imports(root, path):
            rule = _shared(found) if within(own, "shared") else _service(own, found)
            if rule:
                yield Fault(str(path.relative_to(root)), found.line, rule)


def _shared(found: Import) -> str | None:
    return f"shared imports {found.module}" if within(found.module, "services", "deploy", "tests") else None


def _service(own: str, found: Import) -> str | None:
    _, service, part, *_ = (*own.split("."), "", "")
    if within(found.module, "deploy", "tests"):
        return f"a service imports {found.module}"
    if within(found.module, "services") and not within(found.module, f"services.{service}"):
        return f"{service} imports another service: {found.module}"
    if part in PURE and (rule := _pure(part, found)):
        return rule
    if part == "auditor" and within(found.module, "shared") and not within(found.module, *FOR_AUDITOR):
        return f"the auditor shares {found.module} with what it watches"
    other = found.module.removeprefix(f"services.{service}").strip(".").split(".")[0]
    if not within(found.module, "services") or not other or not part or part == other:
        return None
    return _order(part, other)


def _pure(part: str, found: Import) -> str | None:
    if within(found.module, *OUTSIDE) or (within(found.module, "shared") and not within(found.module, *FOR_PURE)):
        return f"{part} is pure and imports {found.module}"
    return None


def _order(part: str, other: str) -> str | None:
    if part in BESIDE:
        return None if other in BESIDE[part] else f"{part} imports {other}"
    if other in BESIDE:
        return None if other == "channels" and part in (*DOORS, "app") else f"{part} imports {other}"
    if part in DOORS and other in DOORS:
        return f"a door imports another door: {part} imports {other}"
    mine, theirs = rank(part), rank(other)
    if mine is None or theirs is None:
        return f"{part} or {other} is no part that the order knows"
    return f"{part} imports {other}, which lies above it" if theirs <= mine else None


def judge_faults(root: Path, module: str) -> Iterator[Fault]:
    """What judges the services, with all of deploy that it imports, may use nothing of theirs."""
    waiting, seen = [module], set[str]()
    while waiting:
        own = waiting.pop()
        path = root / f"{own.replace('.', '/')}.py"
        if own in seen or not path.exists():
            continue
        seen.add(own)
        for found in imports(root, path):
            if within(found.module, "services", "shared"):
                yield Fault(str(path.relative_to(root)), found.line, f"the judge imports {found.module}")
            waiting += [found.module, found.module.rpartition(".")[0]]


def test_every_import_goes_down() -> None:
    assert shown(faults_in(ROOT)) == []


def test_the_guard_sees_every_service() -> None:
    modules = {module_of(ROOT, path) for path in python_files(ROOT, "services")}
    assert {f"services.{service}.app" for service in SERVICES} <= modules


def test_what_the_demo_expects_is_computed_without_what_it_judges() -> None:
    assert (ROOT / "deploy" / "demo" / "expectation.py").exists()
    assert shown(judge_faults(ROOT, "deploy.demo.expectation")) == []


@pytest.mark.parametrize(
    ("place", "line", "rule"),
    [
        ("services/x/api", "from services.x import consumer", "a door imports another door: api imports consumer"),
        ("services/x/pages", "from services.x.api import file", "a door imports another door: pages imports api"),
        ("services/x/sweep", "import services.x.app", "sweep imports app, which lies above it"),
        ("services/x/store", "from services.x.api import A", "store imports api, which lies above it"),
        ("services/x/store", "from services.x.channels import mail", "store imports channels"),
        ("services/x/tables", "from services.x import store", "tables imports store, which lies above it"),
        ("services/x/domain/leg", "from services.x.handlers import A", "domain imports handlers, which lies above it"),
        ("services/x/domain/leg", "from ..handlers import A", "domain imports handlers, which lies above it"),
        ("services/x/handlers/cases", "from services.x import store", "handlers imports store, which lies above it"),
        ("services/x/handlers/cases", "from services.x.tables import LegRow", "handlers imports tables, which lies above it"),
        ("services/x/handlers/cases", "import asyncpg", "handlers is pure and imports asyncpg"),
        ("services/x/domain", "from sqlmodel import Field", "domain is pure and imports sqlmodel.Field"),
        ("services/x/domain/a", "from shared import room", "domain is pure and imports shared.room"),
        ("services/x/domain/a", "from shared.database import connect", "domain is pure and imports shared.database.connect"),
        ("services/x/handlers", "import httpx", "handlers is pure and imports httpx"),
        ("services/x/api", "from services.y.domain import A", "x imports another service: services.y.domain.A"),
        ("services/x/auditor/a", "from services.x.domain.leg import Leg", "auditor imports domain"),
        ("services/x/auditor/a", "from services.x import store", "auditor imports store"),
        ("services/x/auditor/a", "from shared import relay", "the auditor shares shared.relay with what it watches"),
        ("services/x/sweep", "from services.x import auditor", "sweep imports auditor"),
        ("services/x/app", "from deploy import keys", "a service imports deploy.keys"),
        ("services/x/app", "from tests.support import county", "a service imports tests.support.county"),
        ("services/x/timers", "from services.x import domain", "timers or domain is no part that the order knows"),
        ("shared/room", "from services.x.domain import A", "shared imports services.x.domain.A"),
        ("shared/web/a", "import deploy.keys", "shared imports deploy.keys"),
    ],
)
def test_a_planted_import_is_named(tmp_path: Path, place: str, line: str, rule: str) -> None:
    plant(tmp_path, {place: f'"""Planted."""\n\ndef lazily() -> None:\n    {line}\n'})
    assert shown(faults_in(tmp_path)) == [f"{place}.py:4: {rule}"]


def test_what_is_allowed_is_not_named(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "services/x/app": "from services.x import api, consumer, store\nfrom services.x.channels import mail\n",
            "services/x/api": "from services.x import store\nfrom services.x.handlers import A\nfrom shared.http import reply\n",
            "services/x/handlers/cases": "from services.x.handlers.dispatch import handle\nfrom services.x.domain.leg import Leg\n",
            "services/x/tables": "from services.x.domain import ENDS\nimport sqlmodel\n",
        },
    )
    assert shown(faults_in(tmp_path)) == []


def test_a_judge_that_borrows_from_what_it_judges_is_named(tmp_path: Path) -> None:
    plant(
        tmp_path,
        {
            "deploy/demo/expectation": "from deploy.sample.divisions import load\n",
            "deploy/sample/divisions": "import csv\nfrom shared.regions import Regions\n",
        },
    )
    assert shown(judge_faults(tmp_path, "deploy.demo.expectation")) == [
        "deploy/sample/divisions.py:2: the judge imports shared.regions.Regions"
    ]
