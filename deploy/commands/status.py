"""Which part is up, and which is not?"""

import asyncio
import json
from collections.abc import Awaitable
from typing import Annotated

import typer

from deploy.local import kafka, postgres
from deploy.local.service import answers_ok
from deploy.local.state import AUDITOR, SERVICES, State

PATIENCE_SECONDS = 3.0


def status(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Say of each part whether it is up. Exit code 1 when one is not."""
    parts = asyncio.run(look(State()))
    if as_json:
        print(json.dumps(parts))
    else:
        for name, is_up in parts.items():
            print(f"  {name:<14}{'up' if is_up else 'down'}")
        if not any(parts.values()):
            print("Nothing runs. Start it: heli up")
    if not all(parts.values()):
        raise typer.Exit(1)


async def look(state: State) -> dict[str, bool]:
    """Each part is asked itself; nothing is taken from a file."""
    names = ("supervisor", "postgresql", "kafka", *SERVICES, AUDITOR, "edge")
    running = state.running()
    if running is None:
        return dict.fromkeys(names, False) | {"supervisor": state.supervisor() is not None}
    urls = [f"http://127.0.0.1:{state.ports[name]}/{name}/ready" for name in (*SERVICES, AUDITOR)]
    host, _, port = running["bootstrap"].split(",")[0].rpartition(":")
    checks = [
        _within(postgres.until_answers(running["database"], PATIENCE_SECONDS)),
        _within(kafka.until_answers(int(port), PATIENCE_SECONDS, host=host)),
        *(answers_ok(url) for url in urls),
        answers_ok(f"{state.url}/"),
    ]
    return dict(zip(names, [True, *await asyncio.gather(*checks)], strict=True))


async def _within(check: Awaitable[None]) -> bool:
    try:
        await check
    except (TimeoutError, OSError):
        return False
    return True
