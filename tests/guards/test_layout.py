"""Is every service built from the same files, does nothing else lie about, and does every file say what it answers (design, section 3)?"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guards.sources import ROOT, SERVICES, SKIPPED, Fault, parse, plant, python_files, shown

NEEDED = ("__init__.py", "__main__.py", "app.py", "api", "consumer.py", "store", "tables.py", "handlers", "domain", "migrations")
ALLOWED = {*NEEDED, "api.py", "store.py", "handlers.py", "domain.py", "pages.py", "sweep.py", "templates"}
ONLY = {"notification": {"channels"}, "referral": {"rules", "auditor", "oversight.py"}, "guardianship": {"rules"}}
AT_THE_ROOT = {
    "README.md", "services", "shared", "deploy", "tests", "pyproject.toml", "requirements.txt", "requirements-dev.txt", "Makefile", ".ci",
    ".gitignore", ".git",
}  # fmt: skip
SAYS = ("Owns:", "Listens to:", "Publishes:", "Deadlines:")


def service_faults(root: Path) -> Iterator[Fault]:
    for service in SERVICES:
        folder = root / "services" / service
        found = {path.name for path in folder.iterdir()} - SKIPPED
        place = f"services/{service}"
        yield from (Fault(place, 1, f"{name} is missing") for name in NEEDED if name not in found and f"{name}.py" not in found)
        for name in sorted(found - ALLOWED - ONLY.get(service, set())):
            yield Fault(f"{place}/{name}", 1, "no part of a service: what it does belongs in shared, or is a concept that is missing")
        yield from (Fault(f"{place}/{name}", 1, "both a file and a package") for name in PAIRS if {name, f"{name}.py"} <= found)
        said = ast.get_docstring(parse(folder / "__init__.py")) or "" if "__init__.py" in found else ""
        yield from (Fault(f"{place}/__init__.py", 1, f"does not say '{word}'") for word in SAYS if word not in said)


PAIRS = ("api", "store", "handlers", "domain")


def root_faults(root: Path, ignored: set[str]) -> Iterator[Fault]:
    for path in sorted(root.iterdir()):
        if path.name not in AT_THE_ROOT and not ignored.intersection({path.name, f"*{path.suffix}"}):
            yield Fault(path.name, 1, "has no place at the root")


def opening_faults(root: Path) -> Iterator[Fault]:
    """A file opens with what it answers: a question or a sentence, in a first line of its own."""
    for path in python_files(root, "services", "shared", "deploy", "tests"):
        first = (ast.get_docstring(parse(path)) or "").split("\n")[0]
        if not re.search(r"[.?!;)]$", first) or len(first.split()) < 3:  # fewer words say nothing
            yield Fault(str(path.relative_to(root)), 1, "does not open with the question that it answers")


def ignored_at_root() -> set[str]:
    return {line.strip("/ ") for line in (ROOT / ".gitignore").read_text().splitlines()}


def test_every_service_has_the_same_files() -> None:
    assert shown(service_faults(ROOT)) == []


def test_services_holds_the_services_and_nothing_else() -> None:
    assert {path.name for path in (ROOT / "services").iterdir()} - SKIPPED == {*SERVICES, "__init__.py"}


def test_the_root_holds_only_what_belongs_there() -> None:
    assert shown(root_faults(ROOT, ignored_at_root())) == []


def test_every_file_opens_with_what_it_answers() -> None:
    assert shown(opening_faults(ROOT)) == []


def whole(root: Path) -> Path:
    """Four right services, very small."""
    opening = f'"""What is it for here?\n\n{" x. ".join(SAYS)} x.\n"""\n'
    for service in SERVICES:
        names = [name.removesuffix(".py") for name in NEEDED]
        plant(root, {f"services/{service}/{name}": opening for name in names if name != "migrations"})
        (root / "services" / service / "migrations").mkdir()
    return root


def test_right_services_are_not_named(tmp_path: Path) -> None:
    assert shown(service_faults(whole(tmp_path))) == []


@pytest.mark.parametrize("name", ["timers.py", "utils.py", "models", "channels", "static", "events.py"])
def test_a_planted_part_is_named(tmp_path: Path, name: str) -> None:
    (whole(tmp_path) / "services" / "intake" / name).mkdir()
    assert [fault.path for fault in service_faults(tmp_path)] == [f"services/intake/{name}"]


def test_channels_belong_to_notification_and_rules_to_two(tmp_path: Path) -> None:
    for service, name in (("notification", "channels"), ("referral", "rules"), ("guardianship", "rules")):
        (whole(tmp_path / name / service) / "services" / service / name).mkdir()
        assert shown(service_faults(tmp_path / name / service)) == []


@pytest.mark.parametrize("name", ["tables.py", "domain.py", "migrations"])
def test_a_missing_part_is_named(tmp_path: Path, name: str) -> None:
    path = whole(tmp_path) / "services" / "referral" / name
    path.rmdir() if path.is_dir() else path.unlink()
    assert shown(service_faults(tmp_path)) == [
        f"services/referral:1: {name.removesuffix('.py') if name == 'domain.py' else name} is missing"
    ]


def test_a_package_beside_its_file_is_named(tmp_path: Path) -> None:
    (whole(tmp_path) / "services" / "intake" / "domain").mkdir()
    assert shown(service_faults(tmp_path)) == ["services/intake/domain:1: both a file and a package"]


@pytest.mark.parametrize("word", SAYS)
def test_a_service_that_does_not_say_what_it_does_is_named(tmp_path: Path, word: str) -> None:
    path = whole(tmp_path) / "services" / "guardianship" / "__init__.py"
    path.write_text(path.read_text().replace(word, ""))
    assert shown(service_faults(tmp_path)) == [f"services/guardianship/__init__.py:1: does not say '{word}'"]


def test_a_planted_file_at_the_root_is_named(tmp_path: Path) -> None:
    for name in ("README.md", "notes.txt", ".venv", "heli.egg-info"):
        (tmp_path / name).touch()
    assert shown(root_faults(tmp_path, {".venv", "*.egg-info"})) == ["notes.txt:1: has no place at the root"]


@pytest.mark.parametrize("text", ["import os\n", '"""Room."""\n', '"""what it is for\n\nMore."""\n', ""])
def test_a_file_that_says_nothing_is_named(tmp_path: Path, text: str) -> None:
    plant(tmp_path, {"shared/room": text, "shared/right": '"""How is it read?"""\n'})
    assert shown(opening_faults(tmp_path)) == ["shared/room.py:1: does not open with the question that it answers"]
