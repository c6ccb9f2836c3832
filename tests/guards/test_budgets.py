"""Are files and functions short, names telling, and tests awake (design, sections 8 and 9)?"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guards.sources import ROOT, Fault, dotted, parse, plant, python_files, shown

LINES, FUNCTION_LINES = 300, 40
EMPTY_NAMES = {"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc", "base"}
SLEEPS = {"time.sleep", "asyncio.sleep", "sleep", "anyio.sleep"}
LOOPS = (ast.For, ast.AsyncFor, ast.While)


def size_faults(root: Path) -> Iterator[Fault]:
    for path in python_files(root, "services", "shared", "deploy", "tests"):
        place, lines = str(path.relative_to(root)), len(path.read_text(encoding="utf-8").splitlines())
        if lines > LINES:
            yield Fault(place, LINES + 1, f"{lines} lines; a file has {LINES} at most")
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > FUNCTION_LINES:
                    yield Fault(place, node.lineno, f"{node.name} has {length} lines; a function has {FUNCTION_LINES} at most")


def name_faults(root: Path) -> Iterator[Fault]:
    """Modules, folders and classes whose name says nothing of what they hold."""
    for path in python_files(root, "services", "shared", "deploy", "tests"):
        place = path.relative_to(root)
        said = [part for part in place.with_suffix("").parts if EMPTY_NAMES.intersection(part.lower().split("_"))]
        yield from (Fault(str(place), 1, f"'{part}' says nothing") for part in said if part != "base")
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ClassDef) and node.name.lower().endswith(("manager", "helper", "utils", "util")):
                yield Fault(str(place), node.lineno, f"'{node.name}' says nothing")


def sleep_faults(root: Path) -> Iterator[Fault]:
    """A test waits for a fact: a pause stands in the loop that looks again, or says in its line why it must be one."""
    for path in python_files(root, "tests"):
        if not path.name.startswith(("test_", "conftest")):
            continue
        lines, tree = path.read_text(encoding="utf-8").splitlines(), parse(path)
        looping = {id(inner) for loop in ast.walk(tree) if isinstance(loop, LOOPS) for inner in ast.walk(loop)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and dotted(node.func) in SLEEPS and not _is_zero(node):
                argued = "  # " in lines[node.lineno - 1]
                blocking = dotted(node.func) == "time.sleep"
                if not argued and (blocking or id(node) not in looping):
                    yield Fault(str(path.relative_to(root)), node.lineno, f"{dotted(node.func)}: a test never sleeps, it waits for a fact")


def _is_zero(call: ast.Call) -> bool:
    """`asyncio.sleep(0)` only lets others run."""
    return bool(call.args) and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0


def test_files_and_functions_are_short() -> None:
    assert shown(size_faults(ROOT)) == []


def test_names_say_something() -> None:
    assert shown(name_faults(ROOT)) == []


def test_tests_do_not_sleep() -> None:
    assert shown(sleep_faults(ROOT)) == []


def test_a_file_of_301_lines_is_named_and_one_of_300_is_not(tmp_path: Path) -> None:
    plant(tmp_path, {"shared/long": "\n" * (LINES + 1), "shared/right": "\n" * LINES})
    assert shown(size_faults(tmp_path)) == ["shared/long.py:301: 301 lines; a file has 300 at most"]


def test_a_function_of_41_lines_is_named_and_one_of_40_is_not(tmp_path: Path) -> None:
    long, right = ("\n".join([f"    async def {name}():", *["        pass"] * (lines - 1), ""]) for name, lines in (("a", 41), ("b", 40)))
    plant(tmp_path, {"services/x/api": f"class A:\n{long}{right}"})
    assert shown(size_faults(tmp_path)) == ["services/x/api.py:2: a has 41 lines; a function has 40 at most"]


@pytest.mark.parametrize("name", ["services/x/utils", "shared/helpers", "deploy/common", "tests/support/manager", "shared/misc/a"])
def test_a_name_that_says_nothing_is_named(tmp_path: Path, name: str) -> None:
    plant(tmp_path, {name: ""})
    assert [fault.path for fault in name_faults(tmp_path)] == [f"{name}.py"]


def test_a_class_that_says_nothing_is_named(tmp_path: Path) -> None:
    plant(tmp_path, {"shared/broker": "\nclass BrokerManager: ...\n"})
    assert shown(name_faults(tmp_path)) == ["shared/broker.py:2: 'BrokerManager' says nothing"]


@pytest.mark.parametrize("line", ["time.sleep(1)", "await asyncio.sleep(0.5)", "await asyncio.sleep(delay)", "while True: time.sleep(1)"])
def test_a_test_that_sleeps_is_named(tmp_path: Path, line: str) -> None:
    plant(tmp_path, {"tests/unit/test_a": f"async def test_a():\n    {line}\n"})
    assert [(fault.path, fault.line) for fault in sleep_faults(tmp_path)] == [("tests/unit/test_a.py", 2)]


@pytest.mark.parametrize(
    "line", ["await asyncio.sleep(0)", "while not seen(): await asyncio.sleep(0.05)", "await asyncio.sleep(1)  # the fault lasts so long"]
)
def test_a_pause_between_two_looks_is_not_named(tmp_path: Path, line: str) -> None:
    plant(tmp_path, {"tests/unit/test_a": f"async def test_a():\n    {line}\n"})
    assert shown(sleep_faults(tmp_path)) == []
