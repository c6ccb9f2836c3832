"""What does each kind of fault do to the stack, and how does it end? Every one of them heals what it broke."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

import asyncpg

from deploy.local.state import AUDITOR, SERVICES
from tests.stories.faults import again
from tests.stories.faults.ledger import Ledger
from tests.stories.faults.plan import REPLIES, SERVERS, Fault, copy_of
from tests.stories.faults.stack import KAFKA, FaultStack, FaultWorld
from tests.stories.faults.wire import Wire

READY_SECONDS = 120.0
AT_ONCE, FULL_SECONDS = 50, 30.0
THROW_OUT = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = any($1::text[])"
FOR_US = {"default_transaction_read_only": "off"}


class Faults:
    """Strikes one round's faults; two that concern the same process or server come one after the other."""

    def __init__(self, world: FaultWorld, ledger: Ledger) -> None:
        self.world, self.ledger = world, ledger
        self.stack: FaultStack = world.stack
        self._locks: dict[str, asyncio.Lock] = {}
        self._kinds: dict[str, Callable[[Fault], Awaitable[None]]] = {
            "kill": self._kill,
            "stop": self._stop,
            "restart": self._restart,
            "read-only": self._read_only,
            "exhaust": self._exhaust,
            "cut": self._cut,
            "delay": self._delay,
            "repeat": self._publish_again,
            "reorder": self._publish_again,
            "replay": self._publish_again,
            "reset": self._reset,
            "copies": self._copies,
        }

    async def strike(self, began: float, fault: Fault) -> None:
        await asyncio.sleep(max(began + fault.at - time.monotonic(), 0))  # the moment that the plan names
        async with contextlib.AsyncExitStack() as held:
            for name in sorted(_concerned(fault)):
                await held.enter_async_context(self._locks.setdefault(name, asyncio.Lock()))
            await self._kinds[fault.kind](fault)

    def _signal(self, name: str, number: signal.Signals) -> None:
        if name in SERVERS:
            (self.stack.kafka if name == KAFKA else self.stack.postgres).send_signal(number)
        else:
            self.stack.service(name).kill(number)

    async def _kill(self, fault: Fault) -> None:
        if fault.victim not in SERVERS:
            self._signal(fault.victim, signal.SIGKILL)
            await asyncio.sleep(fault.lasts)
            self.stack.service(fault.victim).start()
            return
        server = self.stack.kafka if fault.victim == KAFKA else self.stack.postgres
        await asyncio.to_thread(server.kill)
        await asyncio.sleep(fault.lasts)
        await self._up(fault.victim)

    async def _restart(self, fault: Fault) -> None:
        server = self.stack.kafka if fault.victim == KAFKA else self.stack.postgres
        await server.stop()
        await asyncio.sleep(fault.lasts)
        await self._up(fault.victim)

    async def _up(self, name: str) -> None:
        server = self.stack.kafka if name == KAFKA else self.stack.postgres
        await asyncio.to_thread(server.start)
        await server.wait_ready(90)

    async def _stop(self, fault: Fault) -> None:
        self._signal(fault.victim, signal.SIGSTOP)
        try:
            await asyncio.sleep(fault.lasts)
        finally:
            self._signal(fault.victim, signal.SIGCONT)

    async def _read_only(self, fault: Fault) -> None:
        await self._set("alter system set default_transaction_read_only = on")
        try:
            await asyncio.sleep(fault.lasts)
        finally:
            await self._set("alter system reset default_transaction_read_only")

    async def _set(self, statement: str) -> None:
        async def told() -> None:
            db = await asyncpg.connect(self.stack.postgres.url(), server_settings=FOR_US, timeout=5)
            try:
                await db.execute(statement)
                await db.execute("select pg_reload_conf()")
            finally:
                await db.close(timeout=2)

        await patiently(told)

    async def _exhaust(self, fault: Fault) -> None:
        """Idle strangers take every connection there is, those of our processes too, which are thrown out until none comes back."""
        idle: list[asyncpg.Connection] = []
        try:
            async with asyncio.timeout(FULL_SECONDS):
                while not await self._full(idle):
                    pass
            await asyncio.sleep(fault.lasts)
        finally:
            for connection in idle:
                connection.terminate()

    async def _full(self, idle: list[asyncpg.Connection]) -> bool:
        """Takes what can be had. Whether nothing was left, to take or to throw out."""
        tries = (asyncpg.connect(self.stack.postgres.url(), timeout=5) for _ in range(AT_ONCE))
        tried = await asyncio.gather(*tries, return_exceptions=True)
        idle += (taken := [one for one in tried if isinstance(one, asyncpg.Connection)])
        thrown = await idle[0].fetchval(THROW_OUT, [*SERVICES, AUDITOR]) if idle else 0
        return not taken and not thrown and any(isinstance(one, asyncpg.TooManyConnectionsError) for one in tried)

    async def _cut(self, fault: Fault) -> None:
        wires = self._wires(fault.victim)
        for wire in wires:
            await wire.cut()
        await asyncio.sleep(fault.lasts)
        for wire in wires:
            await wire.mend()

    async def _delay(self, fault: Fault) -> None:
        for wire in self._wires(fault.victim):
            wire.delay = fault.share / 2
        await asyncio.sleep(fault.lasts)
        for wire in self._wires(fault.victim):
            wire.delay = 0.0

    def _wires(self, victim: str) -> list[Wire]:
        return [self.stack.wire(name) for name in _ends(victim)]

    async def _publish_again(self, fault: Fault) -> None:
        for topic in self.ledger.replies if fault.victim == REPLIES else (fault.victim,):
            sent = await again.publish(self.stack.bootstrap, topic, fault.share, shuffled=fault.kind == "reorder", seed=fault.seed)
            self.ledger.copies.update(sent)

    async def _reset(self, fault: Fault) -> None:
        """Every group of a service begins at the beginning of its topics; nobody of it may run meanwhile."""
        names = [name for name in (fault.victim, copy_of(fault.victim)) if name in self.stack.names]
        await again.until_read(self.stack.bootstrap, fault.victim)
        await asyncio.gather(*(self.stack.service(name).stop() for name in names))
        await again.rewind(self.stack.bootstrap, fault.victim)
        for name in names:
            self.stack.service(name).start()

    async def _copies(self, fault: Fault) -> None:
        """They serve before anything else happens."""
        names = _ends(fault.victim)
        await self.stack.begin_copies(names)
        await all_ready(self.stack, map(copy_of, names))


def _ends(victim: str) -> Sequence[str]:
    """Who is meant."""
    return SERVICES if victim == "every service" else (victim,)


def _concerned(fault: Fault) -> set[str]:
    """Names of what no other fault may strike meanwhile."""
    if fault.kind in {"cut", "delay"}:
        return {f"wire {name}" for name in _ends(fault.victim)}
    return {fault.victim, *(["copies"] if fault.kind in {"copies", "reset"} else [])}


AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


async def patiently(work: Callable[[], Awaitable[None]], seconds: float = 60) -> None:
    """For our own statements, which must come through while another fault lasts."""
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(*AWAY):
                await work()
                return
            await asyncio.sleep(0.2)


async def heal(stack: FaultStack) -> None:
    """Whatever was broken works again: wires, servers, every process, and nobody is there twice."""
    for wire in stack.wires.values():
        wire.delay = 0.0
        await wire.mend()
    await stack.end_copies()
    for server in (stack.postgres, stack.kafka):
        await asyncio.to_thread(server.start)
        await server.wait_ready(90)
    for name in stack.names:
        stack.service(name).start()
    await all_ready(stack, stack.names)


async def all_ready(stack: FaultStack, names: Iterable[str]) -> None:
    """One that ends by itself meanwhile is started again by whoever supervises it."""
    names = list(names)
    async with asyncio.timeout(READY_SECONDS):
        while not all(await asyncio.gather(*(stack.service(name).is_ready() for name in names))):  # noqa: ASYNC110 - other processes
            await asyncio.sleep(0.2)
