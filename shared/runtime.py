"""How does a service process live: start, be ready, drain on SIGTERM, stop?"""

import asyncio
import contextlib
import gc
import os
import signal
import sys
from argparse import ArgumentParser
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import asyncpg
import msgspec
import uvicorn
import uvloop
from aiokafka.errors import KafkaError
from fastapi import FastAPI
from faststream.kafka import KafkaBroker

from shared import database, logs, patience, settings, telemetry
from shared.bells import Bells, rung
from shared.database import AWAY
from shared.mailbox import Mailbox
from shared.relay import Relay
from shared.room import TRANSIENT, Room
from shared.settings import Settings
from shared.upkeep import Upkeep
from shared.watchdog import Heartbeat, Progress

DOORS = ("http", "events", "time", "send", "relay")
SENT_SECONDS = 2.0
"""For relay and mailbox, at the end, while the broker may be away: what is left then waits in its table."""
UNSENT = "select exists (select from outbox) or exists (select from mailbox)"


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """A service, joined: what `app.build` returns and the runtime runs."""

    settings: Settings
    pool: asyncpg.Pool
    bells: Bells
    api: FastAPI
    rooms: tuple[Room, ...]
    broker: KafkaBroker
    listeners: dict[str, Any]
    mailbox: Mailbox | None = None
    send: Callable[[Sequence[Any]], None] | None = None
    drain: Callable[[], Awaitable[None]] | None = None
    prepare: Callable[[], Awaitable[None]] | None = None


Build = Callable[[Settings], Awaitable[Service]]


def main(name: str, build: Build) -> None:
    """`python -m services.<name> [--doors http,events,time,send,relay]`, or `migrate [REVISION]`."""
    parser = ArgumentParser(prog=f"python -m services.{name}")
    parser.add_argument("command", nargs="?", choices=["run", "migrate"], default="run")
    parser.add_argument("revision", nargs="?", default="head")
    parser.add_argument("--doors", default=",".join(DOORS))
    given = parser.parse_args()
    if given.command == "migrate":
        database.migrate(name, settings.need("DATABASE_URL", name), given.revision)
        return
    wanted = given.doors.split(",")
    if unknown := set(wanted) - set(DOORS):
        parser.error(f"unknown door {', '.join(sorted(unknown))}: choose from {', '.join(DOORS)}")
    chosen = settings.from_environment(name)
    logs.configure(name)
    telemetry.configure(name)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_live(chosen, build, wanted))


async def _live(chosen: Settings, build: Build, wanted: Sequence[str]) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    service = await build(chosen)
    gc.collect()
    gc.freeze()  # what lives for ever is not looked at again
    gc.set_threshold(100_000, 50, 100)
    parts: dict[str, str] = dict.fromkeys(wanted, "starting")
    service.api.state.parts, service.api.state.pool = parts, service.pool
    service.api.state.listeners, service.api.state.service = service.listeners, service
    running = [asyncio.create_task(door, name=name) for name, door in _doors(service, parts, wanted, stop)]
    stopped = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([stopped, *running], return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    await _drain(service, running)
    telemetry.shutdown()
    code = 0
    for task in done if stopped not in done else ():  # a door that ended by itself: the supervisor starts the process again
        error = "CancelledError" if task.cancelled() else type(task.exception()).__name__
        logs.get("runtime").error("door.ended", door=task.get_name(), error=error)
        code = 1
    sys.stdout.flush()
    os._exit(code)  # all work is done and told: no thread or task of a library holds up the end


async def _drain(service: Service, running: Sequence[asyncio.Task[None]]) -> None:
    """First no more work is let in, then what was begun is finished, then relay and mailbox get a moment to send it."""
    http = [task for task in running if task.get_name() == "http"]
    if http:
        await asyncio.wait(http, timeout=15)
    with contextlib.suppress(Exception):
        async with asyncio.timeout(25):
            await service.broker.stop()
    if service.drain is not None:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(15):
                await service.drain()
    if any(task.get_name() == "relay" for task in running):
        with contextlib.suppress(Exception):
            async with asyncio.timeout(SENT_SECONDS):
                await _sent(service.pool)
    await _end(running)
    with contextlib.suppress(Exception):
        async with asyncio.timeout(5):
            await service.pool.close()


async def _sent(pool: asyncpg.Pool) -> None:
    """What the relay sends may come back into the mailbox, and what is taken from there is to be sent again."""
    while await pool.fetchval(UNSENT):  # noqa: ASYNC110 - other processes may write, and send
        await asyncio.sleep(0.02)


async def _end(running: Sequence[asyncio.Task[None]]) -> None:
    """Asks again while somebody goes on: a library may forget a cancellation, and the process would stay until it is killed."""
    left = set(running)
    for _ in range(10):
        for task in left:
            task.cancel()
        if left:
            _, left = await asyncio.wait(left, timeout=1)
    if left:
        logs.get("runtime").error("door.goes_on", door=" ".join(sorted(task.get_name() for task in left)))


def _doors(service: Service, parts: dict[str, str], wanted: Sequence[str], stop: asyncio.Event) -> Iterator[tuple[str, Any]]:
    if service.prepare is not None:
        yield "prepare", _prepared(service.prepare, parts)
    if "http" in wanted:
        yield "http", _http(service, parts, stop)
    if "events" in wanted:
        yield "events", _events(service.broker, parts)
        yield "progress", Progress(service.broker, patience.waiting).run()
    for room in service.rooms:
        if "time" in wanted:
            yield "time", _time(room, service.send if "send" in wanted else None)
    parts.update({name: "up" for name in ("time", "send") if name in wanted})
    yield "upkeep", Upkeep(service.pool, service.bells).run()
    yield "heartbeat", Heartbeat().run()
    if "relay" in wanted:
        relay = Relay(service.pool, service.settings.kafka, service.bells.relay, service.bells.mailbox)
        parts["relay"] = "up"
        yield "relay", relay.run()
        if service.mailbox is not None:
            yield "mailbox", service.mailbox.run()


async def _prepared(prepare: Callable[[], Awaitable[None]], parts: dict[str, str]) -> None:
    """Work before the first message (a directory from a file). A refusal ends the process; an absent database is waited for."""
    parts["prepare"] = "starting"
    while True:
        try:
            await prepare()
            break
        except TRANSIENT:
            await asyncio.sleep(0.3)
    parts["prepare"] = "up"
    await asyncio.Event().wait()


class _Server(uvicorn.Server):
    """Signals belong to the runtime: it drains all doors, not this one alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _http(service: Service, parts: dict[str, str], stop: asyncio.Event) -> None:
    config = uvicorn.Config(
        service.api,
        host=service.settings.host,
        port=service.settings.port,
        access_log=False,
        log_config=None,
        proxy_headers=False,  # nobody asks where a request came from
        timeout_graceful_shutdown=10,
    )
    server = _Server(config)
    parts["http"] = "up"
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    stopping.cancel()


async def _events(kafka: KafkaBroker, parts: dict[str, str]) -> None:
    """Kafka may be away when a service starts: HTTP and time go on, and this tries again."""
    while True:
        try:
            await kafka.start()
            break
        except (KafkaError, OSError) as reason:
            logs.get("runtime").warning("kafka.away", error=type(reason).__name__)
            with contextlib.suppress(Exception):
                await kafka.stop()
            await asyncio.sleep(1)
    parts["events"] = "up"
    await asyncio.Event().wait()


async def _time(room: Room, send: Callable[[Sequence[Any]], None] | None) -> None:
    """Sweeps, and sleeps until the next deadline. Unknown errors back off: deadlines of others must still fire."""
    while True:
        room.bells.time.clear()
        try:
            swept = await room.sweep()
            wait = swept.wait
            if swept.sends and send is not None:
                send(swept.sends)
        except (*TRANSIENT, *AWAY) as reason:
            logs.get("time").warning("time.waits", kind=room.kind.name, error=type(reason).__name__)
            wait = 0.5
        except Exception as reason:  # noqa: BLE001 - see above
            logs.get("time").error("time.failed", kind=room.kind.name, error=type(reason).__name__)
            wait = 1.0
        if wait:
            await rung(room.bells.time, wait)
