"""What does guardianship say? That a child has a file."""

from typing import ClassVar
from uuid import UUID

from shared.contracts.envelope import Event

TOPIC = "heli.guardianship.v1"


class ChildOpened(Event, frozen=True, kw_only=True):
    """The first case of this child has opened its file in the township's information base."""

    type_: ClassVar[str] = "heli.child.opened.v1"
    topic: ClassVar[str] = TOPIC
    source: ClassVar[str] = "/guardianship"
    key_field: ClassVar[str] = "child"
    subject_field: ClassVar[str] = "child"
    child: UUID
    report: UUID
    case: UUID
    region: str


EVENTS = (ChildOpened,)
