"""Is an event that breaks its contract parked where the good events of its aggregate look for what they must wait behind?"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from services.guardianship import consumer as guardianship
from services.intake import consumer as intake
from services.notification import consumer as notification
from services.referral import consumer as referral
from shared.broker import Listener, Read, Route
from shared.broker import _contract as contract
from shared.contracts.envelope import Incoming
from shared.contracts.schema import SAMPLES
from shared.messages import Record
from shared.parking import stream_of

NOBODY: Any = None
LISTENERS: list[Listener] = [
    intake.referral_listener(NOBODY),
    guardianship.referral_listener(NOBODY),
    referral.intake_listener(NOBODY),
    referral.notification_listener(NOBODY),
    notification.referral_listener(NOBODY),
    notification.ReportListener(NOBODY),
    notification.operations_listener(NOBODY),
]
PARENTS = {("referral.heli.intake.v1", "heli.report.accepted.v1")}
"""No case exists yet: it waits under the report's id, and nothing can come before it."""
OF_THEIR_OWN = {"heli.answer.refused.v1", "heli.stream.parked.v1", "heli.deadlines.stalled.v1"}
"""Each is an aggregate of its own: nothing follows it."""
ROUTES = [
    (listener, route)
    for listener in LISTENERS
    for routes in listener.routes.values()
    for route in routes
    if (listener.group, route.event.type_) not in PARENTS and route.event.type_ not in OF_THEIR_OWN
]


def items(route: Route) -> list[tuple[Read, dict[str, Any]]]:
    found = []
    for path in sorted(Path(SAMPLES, route.event.type_).glob("*.json")):
        data = msgspec.json.encode(msgspec.json.decode(path.read_bytes())["value"])
        event: Any = msgspec.json.decode(data, type=route.event)
        now = datetime.now(UTC)
        record = Record(route.event.topic, 0, 0, event.key.encode(), data, (), now)
        incoming = Incoming(id="e", type=event.type_, source=event.source, subject=event.subject, time=now, traceparent=None, data=data)
        found.append((Read(record, incoming), msgspec.json.decode(data)))
    assert found
    return found


@pytest.mark.parametrize(("listener", "route"), ROUTES, ids=lambda given: getattr(given, "group", None) or given.event.type_)
def test_a_broken_event_is_parked_under_the_stream_of_the_good_ones(listener: Listener, route: Route) -> None:
    for item, content in items(route):
        event = msgspec.json.decode(item.incoming.data, type=route.event)
        streams = {stream_of(message) for message in route.split(event, item)}
        if not streams:
            continue
        broken = msgspec.json.encode({**content, "at": 5, route.names: content.get(route.names)})
        incoming = msgspec.structs.replace(item.incoming, data=broken)
        parked = contract(msgspec.structs.replace(item, incoming=incoming), route)
        assert {stream_of(parked.message)} == streams, listener.group


@pytest.mark.parametrize("broken", [b'{"report": 5}', b'{"report": "x"}', b"{}", b'{"report": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"])
def test_what_names_nothing_is_parked_under_its_subject(broken: bytes) -> None:
    route = LISTENERS[0].routes["heli.leg.seen.v1"][0]
    item, _ = items(route)[0]
    parked = contract(msgspec.structs.replace(item, incoming=msgspec.structs.replace(item.incoming, data=broken)), route)
    assert stream_of(parked.message) == item.incoming.subject
