"""What does somebody who stands outside know must be true? Receipts, who answers how, what was published a second time."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID


@dataclass
class Ledger:
    """Grows with every round of one stack; `since`, `copies` and `calm` are the last round's. Knows agencies by code and reports by id.

    `duties`: the agency of each duty that every child of these reports is owed. `answers`: the furthest an agency goes.
    `ladder`: who is told of the silent agency's silence, in order, at least `gap` seconds apart; `misses`: the clocks that it misses first.
    """

    duties: dict[str, str]
    answers: dict[str, str]
    channels: dict[str, str]
    silent: str
    ladder: tuple[str, ...]
    misses: tuple[str, ...]
    gap: float
    receipts: dict[str, str] = field(default_factory=dict)
    children: dict[str, int] = field(default_factory=dict)
    copies: Counter[tuple[str, str]] = field(default_factory=Counter)
    taken: set[str] = field(default_factory=set)
    rejected: list[str] = field(default_factory=list)
    calm: bool = True
    since: dict[tuple[str, int], int] = field(default_factory=dict)

    def begin(self, *, calm: bool, ends: Mapping[tuple[str, int], int]) -> None:
        """A round begins: at these offsets of topics and partitions."""
        self.calm, self.since, self.copies = calm, dict(ends), Counter()

    def file(self, key: str, report: str, children: int) -> str | None:
        """Notes a receipt; says what is wrong when the same key has got another one."""
        known = self.receipts.setdefault(key, report)
        self.children[known] = children
        return None if known == report else f"key {key} has receipts for {known} and {report}"

    @property
    def cases(self) -> int:
        return sum(self.children.values())

    @property
    def legs(self) -> int:
        return self.cases * len(self.duties)

    @property
    def replies(self) -> list[str]:
        """The topics on which agencies answer."""
        return [f"heli.agency.{code}.replies.v1" for code in self.answers if self.channels[code] == "topic"]


def fulfils(report: str) -> bool:
    """The township ends its leg in half of the reports."""
    return UUID(report).int % 2 == 0
