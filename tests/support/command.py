"""How does a story type `heli ...` in another process, as an operator would?"""

import asyncio
import json
import os
import sys
from typing import Any

import msgspec

from tests.support.world import World


class Typed(msgspec.Struct, frozen=True):
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


async def heli(world: World, *words: str, token: str | None = None) -> Typed:
    env = {**os.environ, "HELI_URL": world.stack.url, "HELI_OPERATOR": token or world.operator}
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "deploy.cli", *words, env=env, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    return Typed(process.returncode or 0, out.decode(), err.decode())
