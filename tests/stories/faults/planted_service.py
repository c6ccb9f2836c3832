"""How does a service run with a bug in it? `python -m tests.stories.faults.planted_service NAME BUG`: patched, then as always."""

import importlib
import random
import sys
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from faststream import AckPolicy


def commit_before_work() -> None:
    """Offsets are committed by the clock, whether or not a batch was applied."""
    from shared import broker

    broker.BATCH["ack_policy"] = AckPolicy.ACK_FIRST


def effect_without_inbox() -> None:
    """Every message is new."""
    from shared import inbox

    async def always_new(_db: Any, _consumer: str, messages: Sequence[Any]) -> tuple[list[Any], dict[Any, Any]]:
        return list(messages), {}

    setattr(inbox, "first_time", always_new)  # noqa: B010 - the bug has no right type


def relay_without_lease() -> None:
    """Everybody owns every shard."""
    from shared import relay

    relay.CLAIM = "select shard from lease where $1::text is not null and $2::float8 is not null"
    relay.GONE = relay.GONE.replace("and lease.owner = $2", "and $2::text is not null")


def unordered_locks() -> None:
    """Cases are locked one after the other, as they come."""
    from services.referral import store

    async def as_they_come(db: Any, ids: list[UUID]) -> dict[UUID, Any]:
        loaded: dict[UUID, Any] = {}
        for one in random.sample(ids, len(ids)):
            loaded |= await load(db, [one])
        return loaded

    load = store.load
    setattr(store, "load", as_they_come)  # noqa: B010 - as above


def ladder_without_gap() -> None:
    """Rungs that are late fire as fast as the sweep turns."""
    from services.referral.domain import leg

    terms_of = leg.terms_of

    def without_gap(held: leg.Leg) -> leg.Terms:
        return leg.Terms(terms_of(held).done, terms_of(held).rungs, 0.01)

    setattr(leg, "terms_of", without_gap)  # noqa: B010 - as above


BUGS: dict[str, Callable[[], None]] = {
    "commit-before-work": commit_before_work,
    "effect-without-inbox": effect_without_inbox,
    "relay-without-lease": relay_without_lease,
    "unordered-locks": unordered_locks,
    "ladder-without-gap": ladder_without_gap,
}


def main(name: str, bug: str) -> None:
    BUGS[bug]()
    from shared import runtime

    runtime.main(name, importlib.import_module(f"services.{name}.app").build)


if __name__ == "__main__":
    service, planted = sys.argv[1:]
    sys.argv[1:] = []
    main(service, planted)
