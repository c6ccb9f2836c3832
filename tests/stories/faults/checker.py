"""Was nothing lost, nothing done twice, nothing turned round, and does nothing stand still? Pure; shares no code with the services."""

import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import NamedTuple

from tests.stories.faults.facts import SERVICES, Entry, Found, Record
from tests.stories.faults.ledger import Ledger, fulfils

LOST, TWICE, INVERTED, STUCK = CLASSES = ("lost", "twice", "inverted", "stuck")
FACTS = ("leg.issued", "leg.delivered", "leg.seen", "leg.accepted", "leg.active", "leg.declined", "leg.fulfilled")
HAPPENS = frozenset(f"heli.{kind}.v1" for kind in (*FACTS, "leg.overdue", "leg.escalated"))
"""To the legs of these rounds, of all that can."""
CLOCKS = ("delivered", "seen", "accepted", "active", "done")
PROGRESS = {"leg.delivered": "delivered", "leg.seen": "seen", "leg.accepted": "accepted", "leg.fulfilled": "done"}
"""What the reporter is told of each."""
COMPACTED = "heli.directory.v1"
KEYED_BY = {"heli.referral.v1": ("case",), "heli.notification.v1": ("concerns", "case")}
"""The field of an event that is its record's key, the first that is not null; elsewhere, and where none is, its subject."""
BY_CASE = "heli.referral.v1"
"""Its aggregate is the case, and its subject mostly a leg; elsewhere the subject is the aggregate."""
RESENT_SHARE = 0.03
"""Of the records of a calm round; a lease that a busy machine let pass makes a few, a second owner of one shard makes a sixteenth."""


class Finding(NamedTuple):
    """One broken invariant and whom it concerns."""

    kind: str
    invariant: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.invariant}: {self.what}"


def check(found: Found, ledger: Ledger) -> list[Finding]:
    """Every broken invariant, what matters most first."""
    return list(itertools.chain.from_iterable(part(found, ledger) for part in INVARIANTS))


def _same(invariant: str, expected: Counter[str], seen: Counter[str]) -> Iterator[Finding]:
    """What is missing is lost, what is too many was done twice."""
    yield from (Finding(LOST, invariant, f"{item} is missing") for item in sorted(expected - seen))
    yield from (Finding(TWICE, invariant, f"{item}: {seen[item]} instead of {expected[item]}") for item in sorted(seen - expected))


def reports(found: Found, ledger: Ledger) -> Iterator[Finding]:
    filed, tables = Counter(ledger.children), found.tables
    yield from _same("accepted reports = reports", Counter(dict.fromkeys(filed, 1)), Counter(row["id"] for row in tables["reports"]))
    yield from _same(
        "accepted reports = report.accepted",
        Counter(dict.fromkeys(filed, 1)),
        Counter(e.data["report"] for e in found.of("report.accepted")),
    )
    owed = Counter(f"{report}/{number}" for report, children in filed.items() for number in range(1, children + 1))
    yield from _same("accepted reports = cases", owed, Counter(f"{row['report']}/{row['number']}" for row in tables["cases"]))
    opened = Counter(f"{e.data['report']}/{e.data['number']}" for e in found.of("case.opened"))
    yield from _same("accepted reports = case.opened", owed, opened)
    yield from _same(
        "cases = the children's files", Counter(row["id"] for row in tables["cases"]), Counter(row["case"] for row in tables["filed"])
    )


def legs(found: Found, ledger: Ledger) -> Iterator[Finding]:
    owed = Counter(f"{row['id']}/{duty}/{agency}" for row in found.tables["cases"] for duty, agency in ledger.duties.items())
    yield from _same("cases = expected legs", owed, Counter(f"{r['case']}/{r['duty']}/{r['agency']}" for r in found.tables["legs"]))
    known = {row["id"]: row for row in found.tables["legs"]}
    yield from _same("legs = what intake follows", Counter(list(known)), Counter(row["id"] for row in found.tables["followed"]))
    for row in found.tables["followed"]:
        ours = known.get(row["id"])
        differ = [f for f in ("delivered_at", "seen_at", "accepted_at") if ours and (ours[f] is None) != (row[f] is None)]
        if ours and (differ or ours["ended"] != row["ended"]):
            yield Finding(LOST, "the reporter is told what referral knows", f"leg {row['id']}: {', '.join(differ) or 'ended'}")


def answers(found: Found, ledger: Ledger) -> Iterator[Finding]:
    reports_of: dict[str, str] = {row["id"]: row["report"] for row in found.tables["cases"]}
    for row in found.tables["legs"]:
        wanted = ledger.answers.get(row["agency"])
        ends = wanted == "fulfilled" and fulfils(reports_of[row["case"]])
        reached = {name for name in ("delivered", "seen", "accepted") if row[f"{name}_at"]} | ({row["ended"]} - {None})
        expected = {"delivered", *(("seen", "accepted") if wanted else ()), *(("fulfilled",) if ends else ())}
        yield from (Finding(LOST, "every answer counts", f"leg {row['id']} of {row['agency']}: {n}") for n in sorted(expected - reached))
        yield from (Finding(TWICE, "nobody else answers", f"leg {row['id']} of {row['agency']}: {n}") for n in sorted(reached - expected))


def once(found: Found, _: Ledger) -> Iterator[Finding]:
    """Each effect is in the journal once: facts of a leg, stalled reports, children's files, ids."""
    for kind in FACTS:
        yield from _repeated("each fact of a leg once", (f"{kind} {e.data['leg']}" for e in found.of(kind)))
    yield from _repeated("each report stalls once", (e.data["report"] for e in found.of("report.stalled")))
    children = Counter({row["child"]: 1 for row in found.tables["filed"]})
    yield from _same("each child's file opens once", children, Counter(e.data["child"] for e in found.of("child.opened")))
    yield from _repeated("each event id once", (e.id for e in found.journal))
    strange = [e for e in found.journal if e.type.startswith("heli.leg.") and e.type not in HAPPENS]
    yield from (Finding(TWICE, "nothing else happens to a leg", f"{e.type} {e.data['leg']}") for e in strange)
    refused = [e.id for e in found.of("answer.refused") if e.data["via"] != "http"]
    yield from (Finding(TWICE, "no answer is refused", event) for event in refused)


def _repeated(invariant: str, items: Iterator[str]) -> Iterator[Finding]:
    return (Finding(TWICE, invariant, f"{item} ({count} times)") for item, count in Counter(items).items() if count > 1)


def told(found: Found, ledger: Ledger) -> Iterator[Finding]:
    """What stands in the row of a leg was said, the reporter heard of it, and of nothing else; only the silent agency misses a clock."""
    said = {kind: {e.data["leg"] for e in found.of(kind)} for kind in ("leg.issued", *PROGRESS)}
    for row in found.tables["legs"]:
        implied = row["delivered_at"] == row["accepted_at"]  # an answer that came before the news that it was delivered
        reached = {"leg.issued": True, "leg.delivered": not implied, "leg.accepted": row["accepted_at"], "leg.fulfilled": row["ended"]}
        unsaid = (kind for kind, met in reached.items() if met and row["id"] not in said[kind])
        yield from (Finding(LOST, "every fact of a leg is said", f"{kind} {row['id']}") for kind in unsaid)
    owed = Counter(f"{leg} {fact}" for kind, fact in PROGRESS.items() for leg in said[kind])
    yield from _same("each progress told once", owed, Counter(f"{e.data['leg']} {e.data['fact']}" for e in found.of("report.progressed")))
    missed = Counter(f"{e.data['leg']} {e.data['clock']}" for e in found.of("leg.overdue"))
    silent = [row["id"] for row in found.tables["legs"] if row["agency"] == ledger.silent]
    must = Counter(f"{leg} {clock}" for leg in silent for clock in ledger.misses)
    may = {f"{leg} {clock}" for leg in silent for clock in CLOCKS}
    yield from _same("each missed clock once", must | Counter(dict.fromkeys(may & missed.keys(), 1)), missed)


def ladders(found: Found, ledger: Ledger) -> Iterator[Finding]:
    """A silent leg wakes everybody on its ladder once, in order, never closer together than the gap; no other leg wakes anybody."""
    fired: dict[str, list[Entry]] = defaultdict(list)
    for event in found.of("leg.escalated"):
        fired[event.data["leg"]].append(event)
    for row in found.tables["legs"]:
        events = fired.pop(row["id"], [])
        told = ledger.ladder if row["agency"] == ledger.silent else ()
        owed = Counter(f"{row['id']} rung {rung} to {to}" for rung, to in enumerate(told))
        yield from _same("each rung once", owed, Counter(f"{row['id']} rung {e.data['rung']} to {e.data['to']}" for e in events))
        for before, after in itertools.pairwise(events):
            if after.data["rung"] <= before.data["rung"]:
                yield Finding(INVERTED, "rungs in order", f"leg {row['id']}: {after.data['rung']} after {before.data['rung']}")
            elif after.at - before.at < timedelta(seconds=ledger.gap):
                yield Finding(INVERTED, "rungs keep their gap", f"leg {row['id']} rung {after.data['rung']}: {after.at - before.at}")
    yield from (Finding(TWICE, "each rung once", f"rungs of {leg}, which is no leg") for leg in fired)


def deliveries(found: Found, ledger: Ledger) -> Iterator[Finding]:
    """Each notice goes once to whom it concerns, through the one channel that it has, and ends in exactly one state."""
    owed: Counter[str] = Counter()
    for row in found.tables["legs"]:
        owed[f"{row['id']} leg.issued {row['agency']} {ledger.channels[row['agency']]}"] += 1
        for to in ledger.ladder if row["agency"] == ledger.silent else ():
            owed[f"{row['id']} leg.escalated {to} {ledger.channels[to]}"] += 1
    rows = found.tables["deliveries"]
    made = Counter(f"{r['notice']} {r['about']} {r['party']} {r['channel']}" for r in rows if r["about"] in {"leg.issued", "leg.escalated"})
    yield from _same("one delivery per notice and party", owed, made)
    places = (f"{r['notice']} {r['event']} {r['party']} {r['channel']}" for r in rows)
    yield from _repeated("one delivery per event, party and channel", places)
    done = Counter(row["id"] for row in rows if row["state"] == "delivered")
    yield from _same("notice.delivered once per delivery", done, Counter(e.data["delivery"] for e in found.of("notice.delivered")))
    entries = {record.id for records in found.feeds.values() for record in records}
    for row in rows:
        if row["state"] not in {"delivered", "ended"}:
            yield Finding(STUCK, "every delivery ends", f"{row['id']} to {row['party']} is {row['state']} ({row['last_error']})")
        elif row["state"] == "delivered" and row["id"] not in (entries if row["channel"] == "topic" else ledger.taken):
            yield Finding(LOST, "delivered means received", f"{row['id']} to {row['party']} by {row['channel']}")
    yield from (Finding(TWICE, "nobody receives what is no delivery", key) for key in sorted((entries | ledger.taken) - found.known))
    yield from (Finding(TWICE, "every webhook is signed and known", said) for said in ledger.rejected)


def feeds(found: Found, _: Ledger) -> Iterator[Finding]:
    """Numbers 1, 2, 3 ... without a gap; a record may lie there twice, but then under one id and one number."""
    last = {row["code"]: row["last"] for row in found.tables["numbers"]}
    party = {row["id"]: row["party"] for row in found.tables["deliveries"]}
    for code, records in found.feeds.items():
        numbers: dict[str, int] = {}
        first: dict[str, Record] = {}
        for record in records:
            if first.setdefault(record.id, record)[3:] != record[3:]:
                yield Finding(TWICE, "feeds: copies are byte-identical", f"{code}: {record.id}")
            if party.get(record.id, code) != code:
                yield Finding(TWICE, "feeds: to their own agency", f"{code}: {record.id} is for {party[record.id]}")
            number = int(record.header("ce_sequence") or 0)
            if numbers.setdefault(record.id, number) != number:
                yield Finding(TWICE, "feeds: one number per id", f"{code}: {record.id} has {numbers[record.id]} and {number}")
        yield from _repeated("feeds: one id per number", (f"{code}: number {number}" for number in numbers.values()))
        if numbers and code not in last:
            yield Finding(LOST, "feeds: every number was drawn", f"{code} has no counter")
        missing = sorted(set(range(1, max([last.get(code, 0), *numbers.values()]) + 1)) - set(numbers.values()))
        yield from (Finding(LOST, "feeds are gap-free", f"{code}: number {number}") for number in missing)
        for before, after in itertools.pairwise(numbers.values()):
            if after < before:
                yield Finding(INVERTED, "feeds in order", f"{code}: {after} stands after {before}")


UNSAVED = frozenset({"heli.deadlines.stalled.v1", "heli.deadlines.recovered.v1"})
"""What the auditor says by a producer of its own: it can write in no database, and has no journal."""


def topics(found: Found, _: Ledger) -> Iterator[Finding]:
    """Every event of a journal lies in a topic and the other way round, as it was saved, and copies are byte-identical."""
    place, own = {e.id: e for e in found.journal}, found.published
    first: dict[str, Record] = {}
    for record in itertools.chain.from_iterable(own.values()):
        known = first.setdefault(record.id, record)
        if known[3:] != record[3:] or known.topic != record.topic:
            yield Finding(TWICE, "copies are byte-identical", f"{record.id} in {record.topic}")
    held = b"".join(row["headers"] for rows in found.plumbing.values() for row in rows["outbox"] if row["late"])
    missing = [e for e in found.journal if e.id not in first and e.type != "heli.agency.changed.v1" and e.id.encode() not in held]
    yield from (Finding(LOST, "every journal entry is published", f"{e.type} {e.id}") for e in missing)
    strangers = [r for i, r in first.items() if i not in found.known and r.header("ce_type") not in UNSAVED]
    yield from (Finding(TWICE, "nothing unsaved is published", f"{r.id} in {r.topic}") for r in strangers)
    for record in (record for record in first.values() if record.id in place):
        yield from _as_saved(place[record.id], record)


def _as_saved(entry: Entry, record: Record) -> Iterator[Finding]:
    if (record.key or b"").decode("utf-8", "replace") != key_of(entry, record.topic):
        yield Finding(INVERTED, "every event under its own key", f"{entry.type} {entry.id}: {record.key!r}")
    try:
        same = json.loads(record.value or b"") == entry.data
    except ValueError:
        same = False
    if not same:
        yield Finding(LOST, "published as saved", f"{entry.type} {entry.id}")


def key_of(entry: Entry, topic: str) -> str:
    return next((str(key) for name in KEYED_BY.get(topic, ()) if (key := entry.data.get(name))), entry.subject)


def order(found: Found, _: Ledger) -> Iterator[Finding]:
    """A key lies in one partition, and there stands what happened to an aggregate, each event where it was sent first, as in the journal."""
    place = {entry.id: entry for entry in found.journal}
    partitions: dict[tuple[str, bytes | None], set[int]] = defaultdict(set)
    newest: dict[tuple[str, str, str], Entry] = {}
    heard: set[str] = set()
    for record in itertools.chain.from_iterable(found.published.values()):
        partitions[record.topic, record.key].add(record.partition)
        entry = place.get(record.id)
        if entry is None or record.id in heard:
            continue
        heard.add(record.id)
        who = key_of(entry, record.topic) if record.topic == BY_CASE else entry.subject
        before = newest.get((entry.service, record.topic, who), entry)
        if entry.seq < before.seq:
            yield Finding(INVERTED, "order per key", f"{record.topic} {who}: {before.type} {before.id} before {entry.type} {entry.id}")
        newest[entry.service, record.topic, who] = entry
    for (topic, key), numbers in partitions.items():
        if len(numbers) > 1:
            yield Finding(INVERTED, "a key lies in one partition", f"{topic} {key!r}: {sorted(numbers)}")


def sent(found: Found, ledger: Ledger) -> Iterator[Finding]:
    """In a round that gives no reason to send again, a record is sent once, and once more for each copy that we made."""
    records = [record for name, part in found.topics.items() if name != COMPACTED for record in part]
    times = Counter((r.topic, r.id) for r in records if r.offset >= ledger.since.get((r.topic, r.partition), 0))
    again = [place for place, count in times.items() if count > 1 + ledger.copies[place]]
    if ledger.calm and len(again) > RESENT_SHARE * len(times):
        yield Finding(TWICE, "one relay sends a shard", f"{len(again)} of {len(times)} records, first {again[0][1]}")


def left(found: Found, _: Ledger) -> Iterator[Finding]:
    for service in SERVICES:
        rows = found.plumbing[service]
        yield from (
            Finding(STUCK, "outboxes are empty", f"{service}: {row['seq']} for {row['topic']}") for row in rows["outbox"] if row["late"]
        )
        yield from (Finding(STUCK, "mailboxes are empty", f"{service}: {row['seq']}") for row in rows["mailbox"])
        for row in rows["parked"]:
            yield Finding(STUCK, "nothing is parked", f"{row['consumer']}: stream {row['stream']}: {row['reason']} {row['error']}")
        yield from (Finding(STUCK, "nothing is long overdue", f"{r['what']} {r['id']} since {r['next_due']}") for r in rows["overdue"])
        yield from (Finding(STUCK, "locks in one order", f"{service}: {r['count']} deadlocks") for r in rows["deadlocks"] if r["count"])
    yield from (Finding(STUCK, "locks in one order", line) for line in found.deadlocks)
    for topic, records in found.topics.items():
        if topic.endswith(".dlt"):
            yield from (Finding(STUCK, "no dead letters", f"{topic}/{record.partition}/{record.offset}") for record in records)


INVARIANTS: tuple[Callable[[Found, Ledger], Iterator[Finding]], ...] = (
    reports, legs, answers, once, told, ladders, deliveries, feeds, topics, order, sent, left,
)  # fmt: skip
