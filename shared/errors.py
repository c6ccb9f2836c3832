"""Which errors cross an edge, and what does a person read then? RFC 9457 problems with a stable slug."""

from typing import Any

import msgspec

PROBLEM_BASE = "urn:heli:problem:"


class Fault(msgspec.Struct, frozen=True):
    """One rule that one field broke. Never carries the value."""

    pointer: str
    rule: str
    detail: str


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """A refusal that says why: HTTP status, stable slug, a sentence for the caller, and the fields at fault."""

    def __init__(
        self, status: int, slug: str, detail: str, *, faults: tuple[Fault, ...] = (), headers: dict[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(slug)
        self.status, self.slug, self.detail, self.faults = status, slug, detail, faults
        self.headers, self.extra = headers or {}, extra

    def body(self) -> bytes:
        document: dict[str, Any] = {"type": PROBLEM_BASE + self.slug, "title": self.slug, "status": self.status, "detail": self.detail}
        if self.faults:
            document["errors"] = list(self.faults)
        return msgspec.json.encode(document | self.extra)


class RuleBroken(Problem):
    """A move that the rules refuse: the caller's fault. By HTTP 409, by topic a refusal; from our own services parked."""

    def __init__(self, slug: str, detail: str, *, status: int = 409, **extra: Any) -> None:
        super().__init__(status, slug, detail, **extra)


class NotFound(Problem):
    """The one answer to whoever has no right and to whoever asks for what does not exist."""

    def __init__(self) -> None:
        super().__init__(
            404,
            "not-found",
            "There is nothing here for you. If a notice has just named it, ask again in 2 seconds.",
            headers={"Retry-After": "2"},
        )


class Unavailable(Problem):
    """The work cannot be taken now and nothing was stored: the same request may be sent again."""

    def __init__(self, detail: str = "The database cannot be reached. Send the same request again.", *, emergency: bool = False) -> None:
        call = " If a child is in danger now, call 110 (若儿童正处于危险中,请立即拨打110)." if emergency else ""
        super().__init__(503, "unavailable", detail + call, headers={"Retry-After": "2"})


class Clash(Exception):  # noqa: N818 - an answer for the door, which makes a new value and asks again
    """A value minted at the door (a short code) exists already; `name` is the constraint."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name
