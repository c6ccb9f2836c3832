"""Does an error that nobody knows end the door of the mailbox?"""

import asyncio
from typing import Any

import pytest

from shared.bells import Bells
from shared.mailbox import Mailbox
from tests.support.broker import until


class Room:
    bells = Bells()


async def test_an_unknown_error_is_waited_out_and_the_door_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    room: Any = Room()
    mailbox, turns = Mailbox(room, lambda _: None), [LookupError("a bug"), ConnectionRefusedError(), None, None]  # type: ignore[arg-type, return-value]

    async def take() -> int:
        if turns and (reason := turns.pop(0)):
            raise reason
        return 0

    monkeypatch.setattr(mailbox, "take", take)
    door = asyncio.create_task(mailbox.run())
    await until(lambda: not turns)
    assert not door.done()
    door.cancel()
    await asyncio.gather(door, return_exceptions=True)
