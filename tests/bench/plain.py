"""The floor under filing: intake as it is, but each request has a transaction of its own, on 16 connections. `python -m tests.bench.plain`."""

import msgspec

from services.intake import app
from shared import runtime
from shared.gather import Gather
from shared.messages import Message, Response
from shared.runtime import Service
from shared.settings import Settings

CONNECTIONS = 16


class Alone(Gather):
    """A door that gathers nobody."""

    async def enter(self, message: Message) -> Response:
        (response,) = await self.room.handle([message])
        return response


async def build(settings: Settings) -> Service:
    service = await app.build(msgspec.structs.replace(settings, pool_size=CONNECTIONS))
    service.api.state.reports = Alone(service.rooms[0])
    return service


if __name__ == "__main__":
    runtime.main("intake", build)
