"""Which faults strike in a round, whom, and when? Everything is drawn from the round's seed."""

import random
from typing import NamedTuple

from deploy.local.state import AUDITOR, SERVICES

LOAD_SECONDS = 6.0
LADDER_SECONDS = 14.0
"""Then the last silence of a round has climbed to the top."""
SERVERS = ("kafka", "postgres")
EVERYBODY = (*SERVICES, AUDITOR, "edge", *SERVERS)
WIRES = (*SERVICES, "every service", "kafka")
REPLIES = "the agencies' replies"
TOPICS = ("heli.intake.v1", "heli.referral.v1", "heli.notification.v1", "heli.directory.v1", REPLIES)
"""Which somebody reads. A reply has no id but its place: the second one meets a leg that has its answer, and is none to refuse."""
SESSION_SECONDS = 10.0
"""After so long the broker gives a stopped consumer up; a relay's lease ends after half of it."""
WEBHOOK_LEASE_SECONDS = 45.0
LONG_SHARE = 0.25
"""Of the times that notification is stopped, until somebody else has taken its webhooks over. Seldom: such a round lasts twice as long."""
CALM_SHARE = 0.2
"""Of the rounds: nothing else in them gives a reason to send a record again, so that whoever sends one twice is seen."""
CALM = frozenset({"copies", "replay", "reorder", "repeat"})


class Fault(NamedTuple):
    """`kind` strikes `victim` so many seconds after the round began; `lasts` is how long, `share` how much of a topic, `seed` which part of it.

    At 0 it has struck before the first report is filed.
    """

    at: float
    kind: str
    victim: str
    lasts: float = 0.0
    share: float = 1.0
    seed: int = 0

    @property
    def on_wire_to_kafka(self) -> bool:
        return self.kind in {"cut", "delay"} and self.victim == "kafka"

    @property
    def calm(self) -> bool:
        """Whether it gives no process a reason to send a record again: a slow broker still acknowledges."""
        return self.kind in CALM or (self.kind, self.victim) == ("delay", "kafka")

    def __str__(self) -> str:
        return f"{self.kind} {self.victim}{f' for {self.lasts:.1f} s' if self.lasts else ''} at {self.at:.1f} s"


KINDS: dict[str, tuple[tuple[str, ...], tuple[float, float], int]] = {
    # kind: whom, how many seconds, how often beside the others
    "kill": (EVERYBODY, (0.0, 3.0), 6),
    "stop": ((*SERVICES, "kafka"), (SESSION_SECONDS + 1, SESSION_SECONDS + 4), 2),
    "restart": (SERVERS, (0.0, 2.0), 2),
    "read-only": (("postgres",), (1.0, 5.0), 1),
    "exhaust": (("postgres",), (1.0, 4.0), 1),
    "cut": (WIRES, (0.2, 6.0), 2),
    "delay": (WIRES, (1.0, 5.0), 2),
    "repeat": (TOPICS, (0.0, 0.0), 1),
    "reorder": (TOPICS, (0.0, 0.0), 1),
    "replay": (TOPICS, (0.0, 0.0), 1),
    "reset": (SERVICES, (0.0, 0.0), 2),
    "copies": (("every service",), (0.0, 0.0), 1),
}


def copy_of(name: str) -> str:
    return f"{name}-copy"


def draw(seed: int) -> tuple[Fault, ...]:
    """Two to four different kinds of fault, and copies of who is stopped, in the order in which they strike."""
    chance = random.Random(f"heli {seed}")  # noqa: S311 - to be repeated, not to be secret
    if chance.random() < CALM_SHARE:
        return _calm(chance)
    kinds: list[str] = []
    for _ in range(chance.randint(2, 4)):
        left = [kind for kind in KINDS if kind not in kinds or kind == "kill"]
        kinds += chance.choices(left, [KINDS[kind][2] for kind in left])
    faults = {_fault(chance, kind, copied="copies" in kinds) for kind in kinds}
    if "copies" not in kinds:  # somebody must take over what the stopped one holds, or it holds nothing when it wakes
        faults |= {Fault(0.0, "copies", fault.victim) for fault in faults if fault.kind == "stop" and fault.victim in SERVICES}
    return tuple(sorted(faults))


def _calm(chance: random.Random) -> tuple[Fault, ...]:
    """Two copies of everything from the beginning, a slow Kafka, and records told again."""
    told_again = chance.sample(("repeat", "reorder", "replay"), chance.randint(1, 2))
    slow = Fault(chance.uniform(0.3, 2.0), "delay", "kafka", chance.uniform(3.0, 6.0), chance.uniform(0.1, 0.4))
    return tuple(sorted((Fault(0.0, "copies", "every service"), slow, *(_fault(chance, kind, copied=True) for kind in told_again))))


def _fault(chance: random.Random, kind: str, *, copied: bool) -> Fault:
    victims, (shortest, longest), _ = KINDS[kind]
    at = chance.uniform(0.3, LOAD_SECONDS)
    if kind == "kill":
        at = chance.triangular(0.3, LADDER_SECONDS, LOAD_SECONDS / 2)  # a third of them when all is filed
        victims = (*victims, *(map(copy_of, SERVICES) if copied else ()))
    if kind in {"repeat", "reorder", "replay", "reset"}:
        at = chance.uniform(LOAD_SECONDS / 2, LOAD_SECONDS + 2)  # there must be something to read again
    if kind == "copies":
        at = 0.0  # they need seconds to start
    share = 1.0 if kind == "replay" else chance.uniform(0.2, 0.6)
    victim, lasts = chance.choice(victims), chance.uniform(shortest, longest)
    if (kind, victim) == ("stop", "notification") and chance.random() < LONG_SHARE:
        lasts = WEBHOOK_LEASE_SECONDS + 3
    return Fault(at, kind, victim, lasts, share, chance.randrange(2**32))
