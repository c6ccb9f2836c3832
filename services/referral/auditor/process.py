"""How does the auditor live? One loop that looks, one that beats, and three open routes for whoever watches it in turn."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from services.referral.auditor import looking, telling
from services.referral.auditor.watch import Watch
from shared import logs, settings
from shared.settings import Settings

BLIND_SECONDS = 300.0
"""Without a complete look for so long the process ends with 1, to be started again."""


def main() -> None:
    """Runs until SIGTERM."""
    logs.configure("auditor")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        code = runner.run(live(settings.from_environment("referral")))
    sys.stdout.flush()
    os._exit(code)  # nothing is left to save, and no thread of a library holds up the end


async def live(chosen: Settings) -> int:
    """The exit code: 0 when it was asked to stop."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    watch = Watch(chosen, await looking.connect(chosen.database_url))
    parts = (
        stop.wait(),
        watch.run(),
        blind(watch),
        serve(chosen, routes(watch)),
        *([beating(chosen, watch)] if chosen.heartbeat_url else []),
    )
    tasks = [asyncio.create_task(part) for part in parts]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    if not stop.is_set():
        logs.get("auditor").error("auditor.ended")
    return 0 if stop.is_set() else 1


async def blind(watch: Watch) -> None:
    """Returns when nothing was seen for too long."""
    began = time.monotonic()
    while time.monotonic() - (watch.seen.clock if watch.seen else began) < BLIND_SECONDS:  # noqa: ASYNC110 - nothing rings when nothing is seen
        await asyncio.sleep(1)


async def beating(chosen: Settings, watch: Watch) -> None:
    """Only while the last look is fresh and clean: death, blindness and a standing complaint are all one silence outside."""
    while True:
        if watch.clean:
            try:
                await telling.beat(chosen.heartbeat_url)
            except Exception as reason:  # noqa: BLE001 - whatever it is, nobody outside has heard, and the next beat is tried
                logs.get("auditor").warning("heartbeat.unheard", error=type(reason).__name__)
        await asyncio.sleep(chosen.heartbeat_seconds)


def routes(watch: Watch) -> Starlette:
    """Open to everybody, as each service's own: they say no id."""

    async def alive(_: Request) -> Response:
        return JSONResponse({"live": "yes"})

    async def ready(_: Request) -> Response:
        """503 while it sees nothing, and while deadlines are unfired."""
        parts = {"looking": "up" if watch.fresh else "blind", "deadlines": "up" if watch.since is None else "stalled"}
        return JSONResponse({"parts": parts}, 200 if set(parts.values()) == {"up"} else 503)

    async def metrics(_: Request) -> Response:
        return PlainTextResponse("".join(f"{name} {value}\n" for name, value in measured(watch)), media_type="text/plain; version=0.0.4")

    handlers = {"live": alive, "ready": ready, "metrics": metrics}
    return Starlette(routes=[Route(f"/auditor/{name}", handler) for name, handler in handlers.items()])


def measured(watch: Watch) -> Iterator[tuple[str, Any]]:
    """For Prometheus: nothing before the first look."""
    if watch.seen is None:
        return
    seen = watch.seen
    late = (seen.at - seen.confirmed[0].due).total_seconds() if seen.confirmed else 0.0
    for kind in ("clock", "rung", "repeat", "press"):
        yield f'heli_deadlines_unfired{{kind="{kind}"}}', sum(one.what.startswith(kind) for one in seen.confirmed)
    yield "heli_deadlines_unfired_late_seconds", round(late, 3)
    yield "heli_audit_legs", seen.look.legs
    yield "heli_audit_look_seconds", round(seen.look.seconds, 3)
    yield "heli_audit_last_look_timestamp_seconds", round(seen.at.timestamp(), 3)


class _Server(uvicorn.Server):
    """Signals are this process's own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(chosen: Settings, app: Starlette) -> None:
    await _Server(uvicorn.Config(app, host=chosen.host, port=chosen.port, access_log=False, log_config=None)).serve()
