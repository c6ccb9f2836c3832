"""Which stack do faults strike? The usual one, with wires between services and servers, second copies, and perhaps one planted bug."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deploy.local import ports
from deploy.local.infrastructure import choose_kafka, choose_postgres
from deploy.local.kafka import KafkaNode
from deploy.local.postgres import PostgresNode
from deploy.local.service import Service
from deploy.local.state import SERVICES, State
from deploy.local.supervisor import Stack
from tests.stories.faults.plan import copy_of
from tests.stories.faults.wire import Wire
from tests.support.world import World

DRILL = Path(__file__).parents[3] / "deploy" / "sample" / "rules-drill.yaml"
KAFKA = "kafka"


class WiredKafka(KafkaNode):
    """A broker that tells its address twice: its own to whoever comes to the first listener, a wire's to whoever comes to the second."""

    def __init__(self, data: Path, own: tuple[int, int], *, inner: int, told: int) -> None:
        super().__init__(data, own)
        self.inner, self._told = inner, told

    def properties(self, logs: Path) -> str:
        port, control = self.ports
        return super().properties(logs) + (
            f"listeners=CONTROLLER://127.0.0.1:{control},INTERNAL://127.0.0.1:{port},WIRED://127.0.0.1:{self.inner}\n"
            f"advertised.listeners=INTERNAL://127.0.0.1:{port},WIRED://127.0.0.1:{self._told}\n"
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT,WIRED:PLAINTEXT\n"
        )


class FaultStack(Stack):
    """Every service reaches PostgreSQL through a wire of its own, and all of them Kafka through one. Who dies unasked is started again."""

    def __init__(self, state: State, *, planted: str | None = None, **more: Any) -> None:
        super().__init__(state, **(more | {"supervise": True}))
        inner, *own = ports.pick(2 + len(SERVICES))
        self.planted, self._inner = planted, inner
        self.wires = {name: Wire(self._postgres_port, port) for name, port in zip(SERVICES, own, strict=False)}
        self.wires[KAFKA] = Wire(lambda: inner, own[-1])

    def _postgres_port(self) -> int:
        return urlsplit(self.postgres.url()).port or 0

    def env(self, name: str) -> dict[str, str]:
        address = urlsplit(self.database_url(name))
        wired = address._replace(netloc=f"{address.username}:{address.password}@127.0.0.1:{self.wires[name].port}").geturl()
        through = {"KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{self.wires[KAFKA].port}"} if self.kafka_is_wired else {}
        return {**super().env(name), "DATABASE_URL": wired, **through}

    @property
    def kafka_is_wired(self) -> bool:
        """Only a broker on this machine can be told to tell another address than its own."""
        return isinstance(self.kafka, WiredKafka)

    def wire(self, name: str) -> Wire:
        if name == KAFKA and not self.kafka_is_wired:
            raise RuntimeError("no service reaches this Kafka through a wire: it can be neither cut off nor made slow")
        return self.wires[name]

    @property
    def names(self) -> list[str]:
        """Of all processes of ours that should run, second copies included."""
        return list(self._services)

    @property
    def postgres_log(self) -> Path | None:
        return self.postgres.log if isinstance(self.postgres, PostgresNode) else None

    def given_up(self) -> list[str]:
        """Who died again and again until nobody started it any more."""
        return [str(task.exception()).splitlines()[0] for task in self._watchers if task.done() and not task.cancelled()]

    async def start_services(self) -> None:
        for wire in self.wires.values():
            await wire.mend()
        await super().start_services()

    async def stop(self) -> None:
        await super().stop()
        for wire in self.wires.values():
            await wire.cut()

    async def begin_copies(self, names: Sequence[str]) -> None:
        """A second process of each of these services, on a port of its own."""
        for name, port in zip(names, ports.pick(len(names)), strict=True):
            ready = f"http://127.0.0.1:{port}/{name}/ready"
            copy = self._service(copy_of(name), [f"services.{name}"], self.env(name) | {"HELI_PORT": str(port)}, ready)
            self._services[copy.name] = copy
            copy.start()
            self._watchers.append(asyncio.create_task(copy.keep_up(self.say)))

    async def end_copies(self) -> None:
        copies = [self._services.pop(name) for name in map(copy_of, SERVICES) if name in self._services]
        await asyncio.gather(*(copy.stop() for copy in copies))

    async def _start_servers(self) -> None:
        """One after the other: these runs are light."""
        self._postgres, self._kafka = choose_postgres(self.state), choose_kafka(self.state)
        if isinstance(self._kafka, KafkaNode):
            own = self._kafka.ports
            self._kafka = WiredKafka(self.state.kafka, own, inner=self._inner, told=self.wires[KAFKA].port)
        for server in (self._postgres, self._kafka):
            await asyncio.to_thread(server.start)
            await server.wait_ready()

    def _service(self, name: str, module: list[str], *more: Any, **named: Any) -> Service:
        if self.planted and module[0].removeprefix("services.") in SERVICES:
            module = ["tests.stories.faults.planted_service", module[0].removeprefix("services."), self.planted]
        return super()._service(name, module, *more, **named)


class FaultWorld(World):
    """A world on such a stack, under the drill's rules: what the police of this county owe has clocks of seconds."""

    def __init__(self, folder: Path, say: Any, *, planted: str | None = None) -> None:
        super().__init__(folder)
        environment = {"HELI_RETRY_SCHEDULE": "0.3,0.6,1,2", "HELI_RULES": str(DRILL)}
        more = {"directory_file": folder / "directory.yaml", "environment": environment, "say": say}
        self.stack: FaultStack = FaultStack(self.state, planted=planted, **more)
