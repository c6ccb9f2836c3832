"""When has every way to a party been given up?"""

from services.notification.domain.delivering import concerning
from services.notification.domain.notice import Notice, State
from shared.contracts.notification import NoticeUndeliverable


def given_up(before: Notice, after: Notice) -> tuple[NoticeUndeliverable, ...]:
    """Once for each event and party whose last open delivery has failed in this step, and of whom none had arrived."""
    said = {}
    for delivery in after.deliveries.values():
        old = before.deliveries.get(delivery.id)
        if delivery.state is State.FAILED and old is not None and old.open:
            ways = [one for one in after.deliveries.values() if (one.event, one.party) == (delivery.event, delivery.party)]
            if not any(one.open or one.state is State.DELIVERED for one in ways):
                said[delivery.event, delivery.party] = NoticeUndeliverable(
                    **concerning(after, delivery), error=delivery.last_error or "unheard"
                )
    return tuple(said.values())
