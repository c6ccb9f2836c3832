"""How is referral joined? The only place where its objects are built, and where a directory without a root is refused."""

from pathlib import Path

import msgspec
from sqlalchemy.ext.asyncio import create_async_engine

from services.referral import api, consumer, handlers, store
from services.referral.domain.agency import CODE, Agency, agency_id, entry_of, gaps_in, superior_first
from services.referral.domain.case import Case
from services.referral.domain.rules import RuleSet, RuleSetError
from services.referral.store import stories
from shared import broker, calendar, database, http, mailbox, operator
from shared.bells import Bells
from shared.calendar import Calendar
from shared.contracts.directory import AgencyChanged
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

RULES = Path(__file__).parent / "rules"
CHUNK = 500
"""Entries of the directory file in one transaction."""


def case_labels(case: Case) -> dict[str, str]:
    return {"heli.case": str(case.id), "heli.report": str(case.report)}


def agency_labels(agency: Agency) -> dict[str, str]:
    return {"heli.agency": agency.code}


CASE = Kind(
    name="referral.case",
    table="case_file",
    load=store.load,
    due=store.due,
    save=store.save,
    decide=handlers.decide,
    tick=handlers.tick,
    labels=case_labels,
    beside=stories.beside,
)
AGENCY = Kind(
    name="referral.agency",
    table="agency",
    load=store.load_agencies,
    due=store.due_agencies,
    save=store.save_agencies,
    decide=handlers.decide,
    tick=handlers.rest,
    labels=agency_labels,
)


async def build(settings: Settings) -> Service:
    pool = await database.connect(settings.database_url, settings.pool_size, "referral")
    bells, reference = Bells(), Reference(store.knowledge)
    cases, agencies = Room(CASE, pool, reference, bells), Room(AGENCY, pool, reference, bells)
    listeners = (consumer.intake_listener(cases), consumer.notification_listener(cases))
    kafka = broker.build(settings.kafka)
    kafka.include_router(consumer.router)
    for name, listener in zip(("intake", "notification"), listeners, strict=True):
        kafka.context.set_global(name, listener)
    kafka.context.set_global("replies", consumer.Replies(cases, agencies))
    app = http.create(settings, [api.router, operator.router], title="Heli referral")
    app.state.engine = create_async_engine(engine_url(settings.database_url), pool_size=4)
    app.state.cases, app.state.agencies = Gather(cases), Gather(agencies)
    notes = Mailbox(cases, handlers.note_of)
    return Service(
        settings=settings,
        pool=pool,
        bells=bells,
        api=app,
        rooms=(cases, agencies),
        broker=kafka,
        listeners={**{listener.topic: listener for listener in listeners}, mailbox.TOPIC: notes},
        mailbox=notes,
        prepare=lambda: prepare(settings, agencies),
    )


async def prepare(settings: Settings, agencies: Room) -> None:
    """Puts rules and calendar in force and enters the directory file. Ends the process with the reason when one cannot be used."""
    path = settings.rules or max(RULES.glob("*.yaml"))
    try:
        ruleset = RuleSet.parse(path.read_bytes())
    except (OSError, RuleSetError) as reason:
        raise SystemExit(
            f"services.referral: the rules in {path} cannot be used: {reason}. `heli rules check FILE` names every row."
        ) from reason
    await store.remember(agencies.pool, "rules", ruleset.hash, path.read_bytes())
    data = calendar.shipped()
    days = Calendar.parse(data).hash
    await store.remember(agencies.pool, "calendar", days, data)
    await store.wake_doubtful(agencies.pool, days)
    entries = read_directory(settings.directory) if settings.directory else []
    async with agencies.pool.acquire() as db:
        known = await store.entries(db)
    regions = Regions.load()
    keyed = [(entry, regions.find(entry.region)) for entry in entries]
    whole = known | {e.agency: msgspec.structs.replace(e, region=region.key) for e, region in keyed if region is not None}
    if gaps := gaps_in(whole, regions):
        raise SystemExit("services.referral: the directory is refused: " + "; ".join(gaps[:20]))
    await enter_directory(superior_first(entries, whole), agencies)


async def enter_directory(entries: list[AgencyChanged], agencies: Room) -> None:
    """Superiors first, many in one transaction: a province has thousands, and most starts find nothing new."""
    beside = {entry.agency: entry for entry in entries}
    for start in range(0, len(entries), CHUNK):
        part = entries[start : start + CHUNK]
        messages = [Message(body=handlers.PutAgency(e, beside=beside), aggregate=agency_id(e.agency), actor="file") for e in part]
        for entry, response in zip(part, await agencies.handle(messages), strict=True):
            if response.status >= 400:  # noqa: PLR2004 - refused
                raise SystemExit(f"services.referral: agency {entry.agency} in the directory file is refused: {response.body.decode()}")


def read_directory(path: Path) -> list[AgencyChanged]:
    """Reads a directory file: `agencies`, a list of entries with the fields of `PUT /referral/agencies/{code}` and their code."""
    try:
        rows = msgspec.yaml.decode(path.read_bytes())["agencies"]
        if wrong := [code for code in (str(row["code"]) for row in rows) if not CODE.fullmatch(code)]:
            raise SystemExit(
                f"services.referral: {path}: an agency code is {CODE.pattern}, not {wrong[0]!r}: it becomes part of topic names"
            )
        return [entry_of(row) for row in rows]
    except (OSError, KeyError, TypeError, msgspec.DecodeError) as reason:
        raise SystemExit(f"services.referral: the directory file {path} cannot be read: {reason}") from reason
