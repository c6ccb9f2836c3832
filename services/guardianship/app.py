"""How is guardianship joined? The only place where its objects are built."""

from sqlalchemy.ext.asyncio import create_async_engine

from services.guardianship import api, consumer, handlers, store
from services.guardianship.domain import Child
from shared import broker, database, http, operator
from shared.bells import Bells
from shared.database import engine_url
from shared.reference import Reference
from shared.room import Room
from shared.runtime import Service
from shared.settings import Settings
from shared.work import Kind


def labels(child: Child) -> dict[str, str]:
    return {"heli.case": ",".join(str(case) for case in child.cases)}


CHILD = Kind(
    name="guardianship.child",
    table="child",
    load=store.load,
    save=store.save,
    due=store.due,
    decide=handlers.decide,
    tick=handlers.tick,
    labels=labels,
)


async def build(settings: Settings) -> Service:
    pool = await database.connect(settings.database_url, settings.pool_size, "guardianship")
    bells = Bells()
    children = Room(CHILD, pool, Reference(), bells)
    listener = consumer.referral_listener(children)
    kafka = broker.build(settings.kafka)
    kafka.include_router(consumer.router)
    kafka.context.set_global("referral", listener)
    app = http.create(settings, [api.router, operator.router], title="Heli guardianship")
    app.state.engine = create_async_engine(engine_url(settings.database_url), pool_size=2)
    return Service(
        settings=settings, pool=pool, bells=bells, api=app, rooms=(children,), broker=kafka, listeners={listener.topic: listener}
    )
