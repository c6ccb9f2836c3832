"""Which files does a guard look at, what do they import and call, and how does it name what is wrong?"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SERVICES = ("intake", "referral", "guardianship", "notification")
SKIPPED = {"__pycache__", ".venv", ".heli", ".git"}


class Fault(NamedTuple):
    """What is wrong, where. `path` is relative to the root that was looked at."""

    path: str
    line: int
    rule: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}"


class Import(NamedTuple):
    """One imported module, in full: `from shared import outbox` is `shared.outbox`."""

    line: int
    module: str


class Call(NamedTuple):
    """One call by its dotted name, as far as it is written out: `datetime.now`, `uuid4`."""

    line: int
    name: str


def python_files(root: Path, *folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in sorted((root / folder).rglob("*.py")) if not SKIPPED.intersection(path.parts))


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module_of(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(root: Path, path: Path) -> Iterator[Import]:
    """Every import of a file, wherever it stands in it; a relative one is resolved."""
    own = (*path.relative_to(root).parent.parts,)
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = own[: len(own) - node.level + 1] if node.level else ()
            base = ".".join((*above, *(node.module or "").split("."))).strip(".")
            yield from (Import(node.lineno, f"{base}.{name.name}") for name in node.names)


def calls(tree: ast.AST) -> Iterator[Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield Call(node.lineno, dotted(node.func))


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def within(module: str, *parents: str) -> bool:
    """Whether a module is one of these or lies in one."""
    return any(module == parent or module.startswith(f"{parent}.") for parent in parents)


def plant(root: Path, files: Mapping[str, str]) -> Path:
    """Writes a small tree of Python files, named without `.py`."""
    for name, text in files.items():
        path = root / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def shown(faults: Iterator[Fault] | list[Fault]) -> list[str]:
    return [str(fault) for fault in faults]
