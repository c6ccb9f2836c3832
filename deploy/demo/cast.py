"""Who plays the partners? How each agency is told, how it answers, and which one stays silent: by department and county."""

from typing import Any, Literal, NamedTuple

SILENT = "police-230112"
"""Under the drill rules its clocks are seconds."""
STUMBLING = "edu-230183"
THOROUGH = "civil-230125"
TAKES, ACTS, ENDS = ("seen", "accepted"), ("seen", "accepted", "active"), ("seen", "accepted", "active", "fulfilled")
WEBHOOK_DEPARTMENTS = frozenset({"civil_affairs", "education", "joint_conference", "operations"})
OUTCOMES = {"civil_affairs": "carer_named", "township": "registered"}


class Role(NamedTuple):
    """`told`: by signed webhook or on its own topic, and it answers by HTTP or by topic accordingly.

    `answers`: what it says of each leg, in order; none = it stays silent. `reads`: opens the report before it answers.
    `stumbles`: so many attempts of each webhook are refused with 500 before it is taken.
    """

    told: Literal["webhook", "topic"]
    answers: tuple[str, ...] = TAKES
    reads: bool = False
    stumbles: int = 0


def role_of(agency: dict[str, Any]) -> Role:
    """The part of one entry of the directory."""
    code, department = agency["code"], agency["department"]
    if code == SILENT:
        return Role("topic", answers=())
    told: Literal["webhook", "topic"] = "webhook" if department in WEBHOOK_DEPARTMENTS else "topic"
    answers = ENDS if code == THOROUGH else ACTS if department == "township" else TAKES
    return Role(told, answers, reads=department == "civil_affairs", stumbles=2 if code == STUMBLING else 0)


def outcome_of(department: str) -> str:
    return OUTCOMES.get(department, "child_safe")
