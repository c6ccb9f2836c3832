"""What happens in notification? One pure function per message, its type beside it."""

from services.notification.handlers.endpoints import ANY_VERSION, Configure, EndpointGone, decide_endpoint, tick_endpoint
from services.notification.handlers.notices import AttemptEnded, BrokerAcknowledged, LinkUsed, SendTest, decide, tick

__all__ = [
    "ANY_VERSION", "AttemptEnded", "BrokerAcknowledged", "Configure", "EndpointGone", "LinkUsed", "SendTest", "decide", "decide_endpoint",
    "tick", "tick_endpoint",
]  # fmt: skip
