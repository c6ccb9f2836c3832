"""What may stand in the data of each published event? One JSON Schema (2020-12) per `ce_type`, made from the structs.

The files in `schemas/` say what a producer may write: every object forbids unknown fields. A consumer must ignore fields that
it does not know: later versions add optional ones, and nothing else (`breaks`). Made by `python -m shared.contracts.schema --write`.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import msgspec

from shared.contracts import directory, guardianship, intake, moves, notification, operations, referral, stories
from shared.contracts.envelope import Event
from shared.contracts.notification import NOTICE_TYPES, NoticeData

SCHEMAS = Path(__file__).parent / "schemas"
SAMPLES = Path(__file__).parent / "samples"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
EVENTS: tuple[type[Event], ...] = tuple(
    event for module in (directory, guardianship, intake, moves, notification, operations, referral, stories) for event in module.EVENTS
)
Schema = dict[str, Any]


def structs() -> dict[str, type[msgspec.Struct]]:
    """The struct behind each `ce_type`; all that partners are told, by topic or webhook, is one."""
    notices: dict[str, type[msgspec.Struct]] = dict.fromkeys(NOTICE_TYPES.values(), NoticeData)
    return {**{event.type_: event for event in EVENTS}, **notices}


def schemas() -> dict[str, Schema]:
    """The schema of each published type."""
    about = {type_: name for name, type_ in NOTICE_TYPES.items()}
    return {type_: _schema(type_, struct, about.get(type_)) for type_, struct in sorted(structs().items())}


def path_of(type_: str) -> Path:
    return SCHEMAS / f"{type_}.json"


def text_of(schema: Schema) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"


def _schema(type_: str, struct: type[msgspec.Struct], about: str | None) -> Schema:
    inlined = _inlined(struct)
    if about is not None:
        inlined["properties"]["about"] = {"const": about}
    return {"$schema": DIALECT, "$id": f"urn:heli:schema:{type_}", **inlined}


def _inlined(struct: type[msgspec.Struct]) -> Schema:
    """The schema of one struct, the structs inside it written where they are used: a partner reads one object, not references."""
    made = msgspec.json.schema(struct)
    parts = made["$defs"]
    own: Schema = {**parts[struct.__name__], "additionalProperties": False}
    own["description"] = " ".join(own["description"].split())
    inner = {part.__name__: _inlined(part) for part in _parts(struct)}
    own["properties"] = {
        field.encode_name: _timed(_placed(own["properties"][field.encode_name], inner), field.type)
        for field in msgspec.structs.fields(struct)
    }
    return own


def _parts(struct: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for field in msgspec.structs.fields(struct):
        for kind in (field.type, *get_args(field.type)):
            if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                yield kind


def _placed(node: Any, inner: Mapping[str, Schema]) -> Any:
    if isinstance(node, list):
        return [_placed(part, inner) for part in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return inner[node["$ref"].rsplit("/", 1)[1]]
    return {name: _placed(part, inner) for name, part in node.items()}


def _timed(node: Schema, kind: Any) -> Schema:
    """A datetime without a required zone gets no format from msgspec; ours always has one, as RFC 3339 wants."""
    if kind is datetime:
        return {**node, "format": "date-time"}
    if datetime in get_args(kind):
        return {**node, "anyOf": [{**part, "format": "date-time"} if part["type"] == "string" else part for part in node["anyOf"]]}
    return node


def breaks(old: Schema, new: Schema, at: str = "/") -> tuple[str, ...]:
    """Why a schema does not go on from an older one of the same type: anything but new optional fields. Empty when it does."""
    return tuple(_differences(old, new, at))


def _differences(old: Schema, new: Schema, at: str) -> Iterator[str]:
    before, after = old.get("properties", {}), new.get("properties", {})
    had, has = set(old.get("required", ())), set(new.get("required", ()))
    if _bare(old) != _bare(new):
        yield f"{at}: changed type, from {_type(old)} to {_type(new)}"
    if "enum" in new and ("enum" not in old or set(old["enum"]) - set(new["enum"])):
        yield f"{at}: narrowed enum"
    for name in sorted(before.keys() - after.keys()):
        yield f"{at}{name}: removed field"
    for name in sorted(has - had):
        yield f"{at}{name}: {'became required' if name in before else 'new required field'}"
    for name in sorted((had - has) & after.keys()):
        yield f"{at}{name}: became optional"
    for name in sorted(before.keys() & after.keys()):
        yield from _differences(before[name], after[name], f"{at}{name}/")
    if "items" in old and "items" in new:
        yield from _differences(old["items"], new["items"], f"{at}items/")


_SPOKEN = {"title", "description", "default", "$schema", "$id", "properties", "required", "items", "enum"}


def _bare(node: Schema) -> Schema:
    """What decides which values are right, without words and without the parts that are compared on their own; an enum may grow."""
    return {name: part for name, part in node.items() if name not in _SPOKEN} | {"items": "items" in node}


def _type(node: Schema) -> str:
    return json.dumps({name: node[name] for name in ("type", "format", "anyOf", "const", "additionalProperties") if name in node})


def write() -> tuple[str, ...]:
    """Writes the files. Returns what would break a shipped type, and then leaves that type's file as it is."""
    refused: list[str] = []
    SCHEMAS.mkdir(exist_ok=True)
    for type_, schema in schemas().items():
        path = path_of(type_)
        faults = breaks(json.loads(path.read_bytes()), schema) if path.exists() else ()
        refused += [f"{type_}{fault}" for fault in faults]
        if not faults:
            path.write_text(text_of(schema), encoding="utf-8")
    return tuple(refused)


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("python -m shared.contracts.schema --write")
    if found := write():
        sys.exit("A breaking change is a new type (design, section 4):\n" + "\n".join(found))
