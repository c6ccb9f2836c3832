"""Which bugs are planted to see the checker fail, under which faults does each show, and which invariant must it name?"""

from typing import NamedTuple

from tests.stories.faults.checker import Finding
from tests.stories.faults.plan import Fault
from tests.stories.faults.rounds import Ground, Say, tell


class Planted(NamedTuple):
    """A bug switched on in every service, the faults that bring it to light within so many rounds, and the invariants of which it breaks one."""

    faults: tuple[Fault, ...]
    invariants: frozenset[str]
    rounds: int = 1


BUGS = {
    # the database of referral is away, its batch is committed after 5 s all the same, and then the process dies
    "commit-before-work": Planted(
        (Fault(0.5, "cut", "referral", 9.0), Fault(8.0, "kill", "referral", 0.5)), frozenset({"accepted reports = cases"})
    ),
    "effect-without-inbox": Planted(
        (Fault(5.0, "replay", "heli.referral.v1"),), frozenset({"notice.delivered once per delivery", "feeds: one number per id"})
    ),
    "relay-without-lease": Planted(
        (Fault(0.0, "copies", "every service"), Fault(0.1, "delay", "kafka", 25.0, 0.5)), frozenset({"one relay sends a shard"})
    ),
    # batches of answers and of deliveries wait for referral, and then both are applied at once; about three times in a round they meet
    "unordered-locks": Planted(
        (Fault(0.5, "delay", "referral", 20.0, 0.02), Fault(1.0, "stop", "referral", 8.0)), frozenset({"locks in one order"}), rounds=3
    ),
    "ladder-without-gap": Planted((Fault(2.0, "stop", "referral", 12.0),), frozenset({"rungs keep their gap"})),
}


async def expose(name: str, say: Say) -> int:
    """Runs one round without the bug, then some with it. 0: the first was sound, and in one of the others the checker named the bug's invariant."""
    bug = BUGS[name]
    say(f"planted {name}: {'; '.join(map(str, bug.faults))}")
    without, named = await _named(bug, None, say), list[str]()
    for _ in range(bug.rounds):
        named = named if bug.invariants & set(named) else await _named(bug, name, say)
    caught = not without and bool(bug.invariants & set(named))
    say(
        f"planted {name} {'caught' if caught else 'NOT CAUGHT'}: {', '.join(named) or 'nothing'}; without it: {', '.join(without) or 'nothing'}"
    )
    return 0 if caught else 1


async def _named(bug: Planted, planted: str | None, say: Say) -> list[str]:
    """Which invariants the checker names under the faults of a bug."""
    ground = await Ground(say, planted=planted).start()
    findings: list[Finding] = await tell(ground, planted or "without", bug.faults, say)
    await ground.stop(keep=False)
    return sorted({finding.invariant for finding in findings})
