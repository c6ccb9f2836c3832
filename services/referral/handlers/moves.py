"""What may an agency do with its leg beside answering it? Each move registers itself under its word."""

from collections.abc import Callable

from shared.messages import Decision

MOVES: dict[str, Callable[..., Decision]] = {}
"""(TakeAnswer, case, open leg, moment) -> Decision, by the word that the agency says."""


def move(word: str) -> Callable[[Callable[..., Decision]], Callable[..., Decision]]:
    def registered(decider: Callable[..., Decision]) -> Callable[..., Decision]:
        MOVES[word] = decider
        return decider

    return registered
