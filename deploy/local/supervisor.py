"""How do PostgreSQL, Kafka, the four services and the edge start in order, stay up together and stop together?"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from deploy import topics
from deploy.local import directory, ports
from deploy.local.child import Child
from deploy.local.docker import Container
from deploy.local.infrastructure import Kafka, Postgres, choose_kafka, choose_postgres
from deploy.local.postgres import ensure_databases
from deploy.local.service import Service
from deploy.local.state import AUDITOR, PROJECT, SERVICES, State

EDGE = "edge"
FOR_PEOPLE = frozenset({"HELI_URL", "HELI_SCHOOL", "HELI_POLICE", "HELI_OPERATOR"})  # of `.heli/env`: no service needs a bearer
MIGRATION_SECONDS = 120
READY_SECONDS = 180  # four services at once on a busy machine; one that cannot start at all is noticed at once
PORT_ATTEMPTS, PORT_PAUSE_SECONDS = 25, 0.2


def _silent(_: str) -> None:
    pass


class Stack:
    """Everything that `heli up` runs, for the command, the demo and the tests alike.

    `say` is called with one line per stage. `supervise=False` leaves a service that died down. `environment` is added to
    what each service gets (HELI_RULES, OTEL_*, a quick retry schedule ...); `directory_file` names another agency directory.
    """

    def __init__(
        self,
        state: State,
        *,
        say: Callable[[str], None] = _silent,
        supervise: bool = True,
        full_jit: bool = False,
        directory_file: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.state, self.say = state, say
        self.directory = (directory_file or directory.path()).absolute()
        self._supervise, self._full_jit = supervise, full_jit
        self._environment = dict(environment or {})
        self._kafka: Kafka | None = None
        self._postgres: Postgres | None = None
        self._services: dict[str, Service] = {}
        self._watchers: list[asyncio.Task[None]] = []

    # -- where everything is

    @property
    def url(self) -> str:
        """The edge: one address for all four services."""
        return self.state.url

    def service_url(self, name: str) -> str:
        """A service's own base URL, without its path prefix."""
        return f"http://127.0.0.1:{self.state.ports[name]}"

    @property
    def kafka(self) -> Kafka:
        if self._kafka is None:
            raise RuntimeError("Kafka was not started: await Stack.start() first")
        return self._kafka

    @property
    def postgres(self) -> Postgres:
        if self._postgres is None:
            raise RuntimeError("PostgreSQL was not started: await Stack.start() first")
        return self._postgres

    @property
    def bootstrap(self) -> str:
        return self.kafka.bootstrap

    def database_url(self, name: str) -> str:
        """The database of a service (`intake`), as a `postgresql://` URL."""
        return self.postgres.url(f"heli_{name}")

    def env(self, name: str) -> dict[str, str]:
        """The whole environment of one service."""
        return {
            **{name: value for name, value in os.environ.items() if name not in FOR_PEOPLE},
            "PYTHONUNBUFFERED": "1",
            "HELI_WEBHOOK_NETWORKS": os.environ.get("HELI_WEBHOOK_NETWORKS", "127.0.0.0/8"),  # receivers on this machine are allowed
            "HELI_DIRECTORY": str(self.directory),
            "DATABASE_URL": self.database_url(name),
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "HELI_PORT": str(self.state.ports[name]),
            "HELI_JWKS": str(self.state.jwks),
            "HELI_CHILD_KEY": self.state.child_key,
            "HELI_LINK_KEY": self.state.link_key,
            "HELI_PUBLIC_URL": self.url,
            **self._environment,
        }

    def service(self, name: str) -> Service:
        """One of the four, `auditor` or `edge`: its pid, its log."""
        return self._services[name]

    # -- start and stop

    async def start(self, *, services: bool = True) -> None:
        """Brings up the servers, databases and topics, and unless told otherwise the four services and the edge.

        Whatever fails, everything started so far is stopped before the error leaves.
        """
        self.state.prepare()
        self.state.claim()
        try:
            await self._free_ports(services=services)
            await self._start_servers()
            await ensure_databases(self.postgres.url(), [f"heli_{name}" for name in SERVICES])
            self.say("topics")
            await topics.apply(self.bootstrap, directory.with_topics(directory.agencies(self.directory)))
            self.state.directory_file.write_bytes(self.directory.read_bytes())  # for `heli rules explain`, also when all is down
            if services:
                await self.start_services()
            self.state.publish(self.bootstrap, self.postgres.url())
        except BaseException:
            await self.stop()
            raise

    async def start_services(self) -> None:
        """Migrations, keys, the four services and the edge; returns when each is ready."""
        self.say("migrations")
        await self.migrate()
        self.state.write_env({"HELI_URL": self.url, **self.bearers()})
        for name in SERVICES:
            ready = f"{self.service_url(name)}/{name}/ready"
            self._services[name] = self._service(name, [f"services.{name}"], self.env(name), ready)
        watching = {**self.env("referral"), "HELI_PORT": str(self.state.ports[AUDITOR])}
        ready = f"{self.service_url(AUDITOR)}/{AUDITOR}/ready"
        self._services[AUDITOR] = self._service(AUDITOR, ["services.referral.auditor"], watching, ready)
        targets = [f"{name}={self.service_url(name)}" for name in SERVICES]
        program = ["deploy.local.edge", "--port", str(self.state.ports[EDGE]), *targets]
        self._services[EDGE] = self._service(EDGE, program, {**os.environ}, f"{self.url}/")
        self.say("services")
        for part in self._services.values():
            part.start()
        await asyncio.gather(*(part.wait_ready(READY_SECONDS) for part in self._services.values()))
        if self._supervise:
            self._watchers = [asyncio.create_task(part.keep_up(self.say)) for part in self._services.values()]

    async def migrate(self, names: Sequence[str] = SERVICES) -> None:
        """Brings databases to their newest revision; raises RuntimeError with the end of the log."""
        log = self.state.logs / "migrations.log"
        addresses = json.dumps({name: self.database_url(name) for name in names})
        child = Child(
            [sys.executable, "-m", "deploy.local.migrations"], log=log, env={**os.environ, "HELI_MIGRATE": addresses}, cwd=PROJECT
        )
        try:
            code = await child.ended(MIGRATION_SECONDS)
        finally:
            child.kill()  # no effect on one that ended
        if code:
            raise RuntimeError(f"The migrations ended with code {code}:\n{child.tail()}\nThe whole log: {log}")

    def bearers(self) -> dict[str, str]:
        """HELI_SCHOOL, HELI_POLICE, HELI_OPERATOR: fresh tokens for trying things out."""
        holders = directory.ready_made(directory.agencies(self.directory))
        return {name: self.state.token(claims) for name, claims in holders.items()}

    async def stop(self) -> None:
        """In reverse order. May be called twice."""
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        self._watchers = []
        await asyncio.gather(*(part.stop() for part in self._services.values()))
        for server in (self._kafka, self._postgres):
            if isinstance(server, Container):
                await server.remove()
            elif server:
                await server.stop()
        self._kafka = self._postgres = None
        self.state.release()

    async def wait_failed(self) -> None:
        """Returns never, or raises GivenUp when a service cannot be kept up."""
        await asyncio.gather(*self._watchers)
        await asyncio.Event().wait()

    # -- harm and repair, for fault stories

    async def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Signals one service. Killed on purpose it stays down until `restart`."""
        self._services[name].kill(number)

    async def restart(self, name: str) -> None:
        """Stops the service if it still runs, starts it, returns when it is ready."""
        await self._services[name].stop()
        self._services[name].start()
        await self._services[name].wait_ready()

    async def restart_kafka(self, *, hard: bool = False) -> None:
        """Same address, same data. `hard` = SIGKILL."""
        await self._again(self.kafka, hard=hard)

    async def restart_postgres(self, *, hard: bool = False) -> None:
        """Same address, same data. `hard` = SIGKILL of the postmaster."""
        await self._again(self.postgres, hard=hard)

    async def _again(self, server: Kafka | Postgres, *, hard: bool) -> None:
        if hard:
            server.kill()
        else:
            await server.stop()
        server.start()
        await server.wait_ready()

    async def _free_ports(self, *, services: bool) -> None:
        """Names who holds a port of ours. The children of a supervisor that was just killed get a moment to end."""
        needed = {"postgres"} if not os.environ.get("DATABASE_URL") else set()
        needed |= {"kafka", "kafka_control"} if not os.environ.get("KAFKA_BOOTSTRAP_SERVERS") else set()
        needed |= {*SERVICES, AUDITOR, EDGE} if services else set()
        chosen = self.state.ports
        for _ in range(PORT_ATTEMPTS):
            taken = [name for name in sorted(needed) if not ports.is_free(chosen[name])]
            if not taken:
                return
            await asyncio.sleep(PORT_PAUSE_SECONDS)
        said = "; ".join(f"port {chosen[name]} ({name}) is taken by {ports.owner(chosen[name])}" for name in taken)
        raise RuntimeError(f"{said}\nRepair: stop that program, or choose new ports: rm {self.state.ports_file}")

    async def _start_servers(self) -> None:
        self._postgres = choose_postgres(self.state)
        self._kafka = choose_kafka(self.state, full_jit=self._full_jit)

        async def bring_up(name: str, server: Kafka | Postgres) -> None:
            self.say(name)
            await asyncio.to_thread(server.start)
            await server.wait_ready()

        await _settled(bring_up("PostgreSQL", self._postgres), bring_up("Kafka", self._kafka))

    def _service(self, name: str, module: list[str], env: Mapping[str, str], ready_url: str) -> Service:
        program = [sys.executable, "-m", *module]
        return Service(name, program, env=env, cwd=PROJECT, log=self.state.logs / f"{name}.log", ready_url=ready_url)


async def _settled(*work: Awaitable[None]) -> None:
    """All at once; the first failure is raised only when none of the others still runs."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


async def run_until_stopped(stack: Stack, ready: Callable[[], None]) -> str | None:
    """`heli up` in the foreground: starts, calls `ready`, waits for a signal or a failure, stops. Returns what went wrong."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopped.set)
    work = asyncio.create_task(_run(stack, ready))
    told = asyncio.create_task(stopped.wait())
    await asyncio.wait({work, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    work.cancel()
    try:
        await work
    except asyncio.CancelledError:
        return None
    except (RuntimeError, OSError, TimeoutError) as reason:
        return str(reason)
    finally:
        await stack.stop()
    return None


async def _run(stack: Stack, ready: Callable[[], None]) -> None:
    await stack.start()
    ready()
    await stack.wait_failed()
