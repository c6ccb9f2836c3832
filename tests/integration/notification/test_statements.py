"""Does notification send PostgreSQL the same statements for one leg as for hundreds, at every door it has, the send door too?"""

from uuid import UUID, uuid4

import msgspec
import pytest

from services.notification.channels.webhook import Attempt, Outcome
from shared.identifiers import case_id, leg_id, uuid7
from shared.messages import Message
from tests.integration.notification.conftest import ACK, Notification
from tests.support.notices import issued
from tests.support.statements import per_transaction, sent_by

SIZES = (10, 200, 10, 1)
"""The first is not counted: what a new connection or an empty reference costs once is no batch's."""


def leg() -> Message:
    report = uuid7()
    case = case_id(report, 1)
    event = msgspec.structs.replace(issued(), report=report, case=case, leg=leg_id(case, 1))
    return Message(body=event, aggregate=event.leg, id=str(uuid4()), source="test")


async def test_legs_are_told_attempted_and_delivered_with_so_many_statements_whatever_their_number(
    notification: Notification, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempted: list[UUID] = []

    async def taken(attempt: Attempt) -> Outcome:
        """Stands for the network alone: every receiver says 200."""
        attempted.append(UUID(attempt.id))
        return Outcome("delivered", 200)

    monkeypatch.setattr(notification.sender.channel, "perform", taken)
    assert (await notification.register("police-county", url="http://127.0.0.1:9/", feed=True)).status_code == 201
    assert notification.service.mailbox is not None
    sent = await sent_by(notification.pool)
    told, leased, ended, acknowledged = [], [], [], []
    for size in SIZES:
        attempted.clear()
        sent.clear()
        await notification.notices.handle([leg() for _ in range(size)])
        told.append(await per_transaction(sent, 1))
        sent.clear()
        swept = await notification.notices.sweep()
        leased.append(await per_transaction(sent, 1))
        sent.clear()
        notification.sender.take(swept.sends)
        await notification.sender.settled()
        ended.append(await per_transaction(sent, 3))  # a starved machine gathers less
        await notification.pool.execute(ACK)
        sent.clear()
        assert await notification.service.mailbox.take() == size
        acknowledged.append(await per_transaction(sent, 1))
        assert len(attempted) == size
    for found in (told, leased, ended, acknowledged):
        assert found[1:] == [found[1]] * (len(SIZES) - 1)
    assert await notification.pool.fetchval("select count(*) from delivery where state <> 'delivered'") == 0
