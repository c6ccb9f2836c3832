"""Does every record that our services wrote keep its contract? Asked of all topics when a world ends."""

from functools import cache
from typing import Any

import jsonschema
import msgspec

from shared.contracts import schema
from tests.support.broker import admin, everything
from tests.support.world import World


@cache
def _validators() -> dict[str, Any]:
    return {name: jsonschema.Draft202012Validator(document) for name, document in schema.schemas().items()}


async def broken(world: World) -> list[str]:
    """Type and fault of every record of ours that its schema refuses. What stories put there as strangers is in no journal."""
    ours = {str(row["id"]) for pool in world.databases.values() for row in await pool.fetch("select id from journal")}
    async with admin(world.stack.bootstrap) as client:
        topics = [topic for topic in await client.list_topics() if topic.startswith("heli.")]
    found = []
    for topic in (topic for topic in topics if not topic.endswith((".dlt", ".replies.v1"))):
        for record in await everything(world.stack.bootstrap, topic):
            headers = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
            if topic.startswith("heli.agency.") or headers.get("ce_id") in ours:
                found += _faults(headers["ce_type"], record.value)
    return found


def _faults(type_: str, value: bytes) -> list[str]:
    if type_ not in _validators():
        return [f"{type_}: no schema"]
    return [f"{type_}: {error.json_path} {error.validator}" for error in _validators()[type_].iter_errors(msgspec.json.decode(value))]
