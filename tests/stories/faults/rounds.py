"""How does one round go, and how do many? Load, faults, healing, settling, checking; a stack that failed is not used again."""

import asyncio
import shutil
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from deploy.local.state import SERVICES
from tests.stories.faults.again import ends
from tests.stories.faults.checker import CLASSES, STUCK, TWICE, Finding, check
from tests.stories.faults.facts import deadlocks_in, read
from tests.stories.faults.faults import Faults, heal
from tests.stories.faults.ledger import Ledger
from tests.stories.faults.load import file_reports
from tests.stories.faults.partners import Partners, settle_in
from tests.stories.faults.plan import Fault, draw
from tests.stories.faults.settle import settled
from tests.stories.faults.stack import FaultWorld
from tests.support.world import Town

PER_STACK = 5
REPORTS = 60
SHOWN = 5
Say = Callable[[str], None]


class Ground:
    """One stack with its town, its partners and what is known of it from outside."""

    def __init__(self, say: Say, planted: str | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="heli-faults-"))
        self.say = say
        self.world = FaultWorld(self.folder, self._hear, planted=planted)
        self.town: Town
        self.ledger: Ledger
        self.partners: Partners

    def _hear(self, line: str) -> None:
        """Of what the stack says: who ended unasked, and its last words."""
        if "ended" in line:
            log = self.world.state.logs / f"{line.split(maxsplit=1)[0]}.log"
            last = log.read_text(errors="replace").splitlines()[-1:] if log.exists() else []
            self.say(f"  {line}: {''.join(last)[:300]}")

    async def start(self) -> "Ground":
        try:
            await self.world.start()
            self.town, self.ledger = await settle_in(self.world)
        except BaseException:
            await self.world.stack.stop()
            raise
        self.partners = Partners(self.world, self.town)
        return self

    async def stop(self, *, keep: bool) -> None:
        """`keep`: the logs are looked at afterwards."""
        await self.partners.leave()
        await self.world.stop()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def possible(self, faults: Sequence[Fault]) -> tuple[Fault, ...]:
        """What can be done to this stack; what is left out is said."""
        left_out = [fault for fault in faults if fault.on_wire_to_kafka and not self.world.stack.kafka_is_wired]
        for fault in left_out:
            self.say(f"  left out, for no service reaches this Kafka through a wire: {fault}")
        return tuple(fault for fault in faults if fault not in left_out)

    async def play(self, name: str, faults: Sequence[Fault]) -> list[Finding]:
        """One round. Everything that this stack has ever been told is checked again."""
        world, ledger = self.world, self.ledger
        log = world.stack.postgres_log
        said_before = log.stat().st_size if log else 0
        ends_before = {(topic, number): end for (topic, number), end in (await ends(world.stack.bootstrap)).items()}
        ledger.begin(calm=all(fault.calm for fault in faults), ends=ends_before)
        strikes, before = Faults(world, ledger), [fault for fault in faults if not fault.at]
        for fault in before:
            await strikes.strike(0, fault)
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            filing = group.create_task(file_reports(world, self.town, ledger, name, REPORTS))
            for fault in faults:
                if fault not in before:
                    group.create_task(strikes.strike(began, fault))
        said = [Finding(TWICE if "receipts" in line else STUCK, "every key gets one receipt", line) for line in filing.result()]
        await heal(world.stack)
        urls = {service: world.stack.database_url(service) for service in SERVICES}
        unmet = await settled(urls, world.stack.bootstrap, ledger)
        ledger.taken = {body["id"] for bodies in world.receiver.taken.values() for body in bodies}
        ledger.rejected = world.receiver.rejected
        said += [Finding(STUCK, "everything settles", line) for line in [*unmet, *self.partners.broken()]]
        said += [Finding(STUCK, "every process is kept up", line) for line in world.stack.given_up()]
        return [*check(await read(urls, world.stack.bootstrap, deadlocks_in(log, said_before)), ledger), *said]


async def run(rounds: int, seed: int, say: Say) -> int:
    """Round n has the seed `seed + n - 1`, so that one of them is repeated alone by naming its own. Returns the exit code."""
    counts: Counter[str] = Counter(dict.fromkeys(CLASSES, 0))
    ground: Ground | None = None
    say(f"seed {seed}")
    for number in range(rounds):
        ground = ground or await Ground(say).start()
        faults = ground.possible(draw(seed + number))
        say(f"round {number + 1} (ROUNDS=1 SEED={seed + number}): {'; '.join(map(str, faults))}")
        findings = await tell(ground, f"seed-{seed + number}", faults, say)
        counts.update(finding.kind for finding in findings)
        if findings or number % PER_STACK == PER_STACK - 1 or number == rounds - 1:
            await ground.stop(keep=bool(findings))
            ground = None
    say(f"rounds {rounds} " + " ".join(f"{name} {counts[name]}" for name in CLASSES))
    return 1 if counts.total() else 0


async def tell(ground: Ground, name: str, faults: Sequence[Fault], say: Say) -> list[Finding]:
    began = time.monotonic()
    try:
        findings = await ground.play(name, faults)
    except Exception as reason:  # noqa: BLE001 - this round has failed; those that were asked for besides are still played
        say("".join(traceback.format_exception(reason)))
        findings = [Finding(STUCK, "the round can be played", repr(reason))]
    except BaseException:
        await ground.stop(keep=True)
        raise
    shown: Counter[str] = Counter()
    for finding in findings:
        shown[finding.invariant] += 1
        if shown[finding.invariant] <= SHOWN:
            say(f"  {finding}")
    for invariant, count in shown.items():
        if count > SHOWN:
            say(f"  {invariant}: and {count - SHOWN} more")
    cases = ground.ledger.cases
    say(
        f"  {time.monotonic() - began:.1f} s, {cases} cases so far, {len(findings)} findings{f', logs in {ground.folder}' if findings else ''}"
    )
    return findings
