"""How is notification joined? The only place where its objects are built."""

from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import create_async_engine

from services.notification import api, consumer, handlers, pages, store, sweep
from services.notification.domain import Endpoint, Known, Links, Notice
from services.notification.handlers import BrokerAcknowledged
from shared import broker, database, http, mailbox, operator
from shared.bells import Bells
from shared.database import engine_url
from shared.gather import Gather
from shared.mailbox import Mailbox
from shared.messages import Message
from shared.reference import Reference
from shared.regions import Regions
from shared.room import Room
from shared.runtime import Service
from shared.settings import Settings
from shared.work import Kind


def labels(notice: Notice) -> dict[str, str]:
    found = {"heli.report": notice.report, "heli.case": notice.case_id}
    return {name: str(value) for name, value in found.items() if value is not None}


def nothing(_: Endpoint) -> dict[str, str]:
    return {}


NOTICE = Kind(
    name="notification.notice",
    table="notice",
    load=store.load,
    save=store.save,
    due=store.due,
    decide=handlers.decide,
    tick=handlers.tick,
    labels=labels,
)
ENDPOINT = Kind(
    name="notification.endpoint",
    table="endpoint",
    load=store.load_endpoints,
    save=store.save_endpoints,
    due=store.due_endpoints,
    decide=handlers.decide_endpoint,
    tick=handlers.tick_endpoint,
    labels=nothing,
)


def reference(settings: Settings, links: Links) -> Reference:
    regions = Regions.load()

    async def load(db: Any) -> Known:
        return Known(
            endpoints=await store.endpoints(db),
            directory=await store.directory(db),
            regions=regions,
            links=links,
            schedule=settings.retry_schedule,
        )

    return Reference(load)


def read_mail(body: bytes) -> Message:
    """The relay's row, written by ourselves when the entry was planned."""
    told = msgspec.json.decode(body, type=BrokerAcknowledged)
    return Message(body=told, aggregate=told.notice, actor="broker", traceparent=told.traceparent)


async def build(settings: Settings) -> Service:
    if not settings.link_key:
        raise SystemExit("services.notification: HELI_LINK_KEY is missing. One-tap links are signed with it; `heli up` makes one.")
    pool = await database.connect(settings.database_url, settings.pool_size, "notification")
    bells, links = Bells(), Links(settings.public_url, settings.link_key)
    known = reference(settings, links)
    notices, endpoints = Room(NOTICE, pool, known, bells), Room(ENDPOINT, pool, known, bells)
    listeners = {
        "referral": consumer.referral_listener(notices),
        "intake": consumer.ReportListener(notices),
        "directory": consumer.DirectoryListener(notices),
        "operations": consumer.operations_listener(notices),
    }
    kafka = broker.build(settings.kafka)
    kafka.include_router(consumer.router)
    for name, listener in listeners.items():
        kafka.context.set_global(name, listener)
    app = http.create(settings, [api.router, pages.router, operator.router], title="Heli notification")
    app.state.engine = create_async_engine(engine_url(settings.database_url), pool_size=2)
    app.state.notices, app.state.endpoints = Gather(notices), Gather(endpoints)
    app.state.reference, app.state.links = known, links
    app.state.pool = pool
    sender = sweep.Sender(notices, endpoints, sweep.webhooks(settings))
    post = Mailbox(notices, read_mail)
    return Service(
        settings=settings,
        pool=pool,
        bells=bells,
        api=app,
        rooms=(notices, endpoints),
        broker=kafka,
        listeners={**{listener.topic: listener for listener in listeners.values()}, mailbox.TOPIC: post},
        mailbox=post,
        send=sender.take,
        drain=sender.drain,
    )
