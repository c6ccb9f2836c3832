"""How does a rule file become values, with every error found and each in its row?"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
import yaml

# The loader in Python takes most of a second for a rule set; the fast one is not built everywhere.
_SAFE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class RuleError(msgspec.Struct, frozen=True):
    """What is wrong, and in which row (or section) of the file."""

    row: str
    problem: str


class RuleSetError(ValueError):
    """A rule file that cannot be used, with all its errors."""

    def __init__(self, errors: Iterable[RuleError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{error.row}: {error.problem}" for error in self.errors))


class Section(NamedTuple):
    """What a section holds: one value, or (`rows`) a list of them. One that is not needed may be absent: an older file knew none."""

    kind: Any
    rows: bool = False
    needed: bool = True


def read_sections(data: bytes, sections: Mapping[str, Section], errors: list[RuleError]) -> dict[str, Any]:
    """Convert each section, and each row of the lists on its own, so that one error does not hide the next."""
    raw = _read(data)
    errors.extend(RuleError(str(name), "unknown section") for name in raw if name not in sections)
    wanted = {name: section for name, section in sections.items() if section.needed or name in raw}
    return {name: _section(name, raw.get(name), section, errors) for name, section in wanted.items()}


def _section(name: str, raw: Any, section: Section, errors: list[RuleError]) -> Any:
    return _rows(name, raw, section.kind, errors) if section.rows else _convert(raw, section.kind, name, errors)


class _Loader(_SAFE):  # type: ignore[misc] # one of two, chosen when this is imported
    """YAML, except that a key written twice is an error: plain YAML lets the second one silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's own signature
        keys = [key.value for key, _ in node.value]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"{twice} stands twice", node.start_mark)
        found: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return found


def _read(data: bytes) -> dict[Any, Any]:
    try:
        raw = yaml.load(data, _Loader)  # noqa: S506 - a safe loader
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date that does not exist
        raise RuleSetError([RuleError("file", " ".join(str(error).split()))]) from None
    if not isinstance(raw, dict):
        raise RuleSetError([RuleError("file", "not a mapping")])
    return raw


def _rows(section: str, raw: Any, kind: Any, errors: list[RuleError]) -> tuple[Any, ...]:
    if not isinstance(raw, list) or not raw:
        errors.append(RuleError(section, "needs a list of rows"))
        return ()
    converted = [_convert(row, kind, _label(section, place, row), errors) for place, row in enumerate(raw, 1)]
    return tuple(row for row in converted if row is not None)


def _label(section: str, place: int, row: Any) -> str:
    name = (row.get("row") or row.get("id") or row.get("duty")) if isinstance(row, dict) else None
    return f"{section}[{place}]" + (f" {name}" if name else "")


def _convert(raw: Any, kind: Any, label: str, errors: list[RuleError]) -> Any:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        errors.append(RuleError(label, str(error)))
        return None
