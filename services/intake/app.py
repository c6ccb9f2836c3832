"""How is intake joined? The only place where its objects are built."""

from sqlalchemy.ext.asyncio import create_async_engine

from services.intake import api, consumer, handlers, pages, store
from services.intake.domain import told
from services.intake.domain.report import Report
from shared import broker, database, http, operator
from shared.bells import Bells
from shared.database import engine_url
from shared.gather import Gather
from shared.reference import Reference
from shared.room import Room
from shared.runtime import Service
from shared.settings import Settings
from shared.work import Kind


def labels(report: Report) -> dict[str, str]:
    return {"heli.report": str(report.id)}


REPORT = Kind(
    name="intake.report",
    table="report",
    load=store.load,
    save=store.save,
    due=store.due,
    decide=handlers.decide,
    tick=handlers.tick,
    labels=labels,
)


async def build(settings: Settings) -> Service:
    if not settings.child_key:
        raise SystemExit("services.intake: HELI_CHILD_KEY is missing: without it anybody could compute a child's id. `heli up` makes one.")
    http.RULES.update(told.RULES)
    pool = await database.connect(settings.database_url, settings.pool_size, "intake")
    bells = Bells()
    reports = Room(REPORT, pool, Reference(), bells)
    listener = consumer.referral_listener(reports)
    kafka = broker.build(settings.kafka)
    kafka.include_router(consumer.router)
    kafka.context.set_global("referral", listener)
    app = http.create(settings, [api.router, pages.router, operator.router], title="Heli intake")
    app.state.engine = create_async_engine(engine_url(settings.database_url), pool_size=2, pool_pre_ping=True)
    app.state.reports, app.state.file = Gather(reports), api.file
    return Service(settings=settings, pool=pool, bells=bells, api=app, rooms=(reports,), broker=kafka, listeners={listener.topic: listener})
