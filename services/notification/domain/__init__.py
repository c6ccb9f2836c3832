"""What is a notice, how does each of its deliveries go on, and how is a party reached? Pure."""

from services.notification.domain.delivering import Sending, acknowledged, arrived, attempt_ended, end_waiting, tell, tick
from services.notification.domain.endpoint import Endpoint, endpoint_id
from services.notification.domain.giving_up import given_up
from services.notification.domain.known import Known
from services.notification.domain.links import LinkClaim, Links
from services.notification.domain.notice import Channel, Delivery, Notice, State, agency_notice_id, delivery_id, refusal_notice_id

__all__ = [
    "Channel",
    "Delivery",
    "Endpoint",
    "Known",
    "LinkClaim",
    "Links",
    "Notice",
    "Sending",
    "State",
    "acknowledged",
    "agency_notice_id",
    "arrived",
    "attempt_ended",
    "delivery_id",
    "end_waiting",
    "endpoint_id",
    "given_up",
    "refusal_notice_id",
    "tell",
    "tick",
]
