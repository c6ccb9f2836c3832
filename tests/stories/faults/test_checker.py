"""Does the checker pass a sound run of one report, and name the invariant when one thing in it is wrong?"""

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.stories.faults.checker import check
from tests.stories.faults.facts import SERVICES, Entry, Found, Record
from tests.stories.faults.ledger import Ledger

REPORT, CASE, CHILD, SILENT, ACTIVE = "01a20d67-36ea-7000-8000-000000000001", "case", "child", "leg-1", "leg-2"
NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
GAP = timedelta(seconds=2)


def event(seq: int, service: str, kind: str, after: timedelta = timedelta(), **data: Any) -> Entry:
    told = data | ({"case": CASE} if service in {"referral", "notification"} else {})
    subject = next(str(told[name]) for name in ("notice", "leg", "case", "child", "report") if name in told)
    return Entry(service, seq, f"{service}-{seq}", f"heli.{kind}.v1", subject, NOW + after, told)


def published(entry: Entry, offset: int) -> Record:
    headers = (("ce_id", entry.id.encode()), ("ce_type", entry.type.encode()), ("ce_subject", entry.subject.encode()))
    return Record(
        f"heli.{entry.service}.v1", 0, offset, entry.data.get("case", entry.subject).encode(), json.dumps(entry.data).encode(), headers
    )


def entry_of(code: str, number: int, delivery: str) -> Record:
    headers = (("ce_id", delivery.encode()), ("ce_sequence", b"%020d" % number))
    return Record(f"heli.agency.{code}.v1", 0, number, None, b"{}", headers)


JOURNAL = [
    event(1, "intake", "report.accepted", report=REPORT),
    *(event(n, "intake", "report.progressed", report=REPORT, leg=leg, fact=fact) for n, (leg, fact) in enumerate(
        ((SILENT, "delivered"), (ACTIVE, "accepted")), 2
    )),
    event(1, "referral", "case.opened", report=REPORT, number=1),
    event(2, "referral", "leg.issued", leg=SILENT),
    event(3, "referral", "leg.issued", leg=ACTIVE),
    event(4, "referral", "leg.delivered", leg=SILENT),
    event(5, "referral", "leg.accepted", leg=ACTIVE),
    event(6, "referral", "leg.overdue", leg=SILENT, clock="seen"),
    event(7, "referral", "leg.overdue", leg=SILENT, clock="accepted"),
    event(8, "referral", "leg.escalated", leg=SILENT, rung=0, to="police"),
    event(9, "referral", "leg.escalated", GAP, leg=SILENT, rung=1, to="office"),
    event(1, "guardianship", "child.opened", child=CHILD),
    *(event(n, "notification", "notice.delivered", notice=leg, delivery=d) for n, (d, leg) in enumerate(
        (("d1", SILENT), ("d2", ACTIVE), ("d3", SILENT), ("d4", SILENT)), 1
    )),
]  # fmt: skip


def leg(key: str, duty: str, agency: str, **more: Any) -> dict[str, Any]:
    return {"id": key, "case": CASE, "duty": duty, "agency": agency, "delivered_at": NOW, "seen_at": None, "accepted_at": None} | more


def delivery(key: str, notice: str, about: str, party: str, channel: str) -> dict[str, Any]:
    row = {"id": key, "notice": notice, "event": about, "about": about, "party": party, "channel": channel}
    return row | {"state": "delivered", "last_error": None}


def sound() -> tuple[Found, Ledger]:
    legs = [leg(SILENT, "respond", "police", ended=None), leg(ACTIVE, "assess", "town", seen_at=NOW, accepted_at=NOW, ended=None)]
    deliveries = [
        delivery("d1", SILENT, "leg.issued", "police", "topic"),
        delivery("d2", ACTIVE, "leg.issued", "town", "webhook"),
        delivery("d3", SILENT, "leg.escalated", "police", "topic"),
        delivery("d4", SILENT, "leg.escalated", "office", "topic"),
    ]
    tables: dict[str, list[dict[str, Any]]] = {
        "reports": [{"id": REPORT}],
        "cases": [{"id": CASE, "report": REPORT, "number": 1}],
        "filed": [{"case": CASE, "child": CHILD}],
        "legs": legs,
        "followed": copy.deepcopy(legs),
        "deliveries": deliveries,
        "numbers": [{"code": "police", "last": 2}, {"code": "office", "last": 1}],
    }
    nothing: dict[str, list[Any]] = {"outbox": [], "mailbox": [], "parked": [], "overdue": [], "deadlocks": [{"count": 0}]}
    topics = {f"heli.{name}.v1": [published(e, e.seq) for e in JOURNAL if e.service == name] for name in SERVICES}
    topics["heli.agency.police.v1"] = [entry_of("police", 1, "d1"), entry_of("police", 2, "d3")]
    topics["heli.agency.office.v1"] = [entry_of("office", 1, "d4")]
    plumbing = {name: copy.deepcopy(nothing) for name in SERVICES}
    known = {entry.id for entry in JOURNAL} | {row["id"] for row in deliveries}
    found = Found(dict(tables), plumbing, list(JOURNAL), known, topics, [])
    channels = {"police": "topic", "office": "topic", "town": "webhook"}
    duties = {"respond": "police", "assess": "town"}
    ledger = Ledger(duties, {"town": "accepted"}, channels, "police", ("police", "office"), ("seen", "accepted"), 2.0, taken={"d2"})
    ledger.file("key", REPORT, 1)
    return found, ledger


Harm = Callable[[Found, Ledger], object]


def drop(table: str) -> Harm:
    return lambda found, _: found.tables[table].pop()


def twice(kind: str, **data: Any) -> Harm:
    """Another event of this kind, published like any other."""

    def harm(found: Found, _: Ledger) -> None:
        old = found.of(kind)[-1]
        new = old._replace(seq=old.seq + 100, id="another", at=old.at + GAP, data=old.data | data)
        found.journal.append(new)
        found.known.add(new.id)
        found.topics[f"heli.{new.service}.v1"].append(published(new, 100))

    return harm


def vanished(kind: str) -> Harm:
    """The last event of this kind, from journal and topic."""

    def harm(found: Found, _: Ledger) -> None:
        gone = found.of(kind)[-1]
        found.journal.remove(gone)
        records = found.topics[f"heli.{gone.service}.v1"]
        records[:] = [record for record in records if record.id != gone.id]

    return harm


def swapped(topic: str) -> Harm:
    return lambda found, _: found.topics[topic].reverse()


def too_early(found: Found, _: Ledger) -> None:
    second = found.of("leg.escalated")[1]
    found.journal[found.journal.index(second)] = second._replace(at=NOW + GAP / 2)


def late_first(found: Found, _: Ledger) -> None:
    first, second = found.of("leg.escalated")
    place = found.journal.index(first)
    found.journal[place : place + 2] = [second._replace(seq=first.seq), first._replace(seq=second.seq)]


def plumbed(name: str, **row: Any) -> Harm:
    return lambda found, _: found.plumbing["referral"][name].append(row)


def stranger(found: Found, _: Ledger) -> None:
    found.topics["heli.referral.v1"].append(published(JOURNAL[1]._replace(id="unsaved"), 50))


def voided(found: Found, _: Ledger) -> None:
    found.journal.append(event(50, "referral", "leg.voided", leg=ACTIVE))


def altered(found: Found, _: Ledger) -> None:
    found.topics["heli.referral.v1"].append(published(JOURNAL[1], 50)._replace(value=b"[]"))


def entered(number: int, delivery: str, **fields: Any) -> Harm:
    """One more entry on the feed of the police."""
    return lambda found, _: found.topics["heli.agency.police.v1"].append(entry_of("police", number, delivery)._replace(**fields))


def without_counter(found: Found, _: Ledger) -> None:
    found.tables["numbers"].pop(0)


def a_later_delivery(*keys: str) -> Harm:
    """A notice about the same leg that nobody is owed in every run."""
    return lambda found, _: found.tables["deliveries"].extend(delivery(key, ACTIVE, "leg.covered", "town", "webhook") for key in keys)


def changed(**fields: Any) -> Harm:
    """One record of referral's topic, in every copy of it."""

    def harm(found: Found, _: Ledger) -> None:
        found.topics["heli.referral.v1"][1] = found.topics["heli.referral.v1"][1]._replace(**fields)

    return harm


def turned_under_other_keys(found: Found, _: Ledger) -> None:
    records = found.topics["heli.referral.v1"]
    records[:] = [record._replace(key=str(place).encode()) for place, record in enumerate(reversed(records))]


def all_sent_again(found: Found, _: Ledger) -> None:
    for records in found.topics.values():
        records.extend(list(records))


HARMS: list[tuple[str, Harm]] = [
    ("accepted reports = reports", drop("reports")),
    ("accepted reports = reports", lambda found, _: found.tables["reports"].append({"id": "another"})),
    ("accepted reports = report.accepted", lambda found, _: found.journal.pop(0)),
    ("accepted reports = cases", drop("cases")),
    ("accepted reports = case.opened", twice("case.opened")),
    ("cases = the children's files", drop("filed")),
    ("cases = expected legs", drop("legs")),
    ("legs = what intake follows", drop("followed")),
    ("the reporter is told what referral knows", lambda found, _: found.tables["followed"][1].update(accepted_at=None)),
    ("every answer counts", lambda found, _: found.tables["legs"][1].update(accepted_at=None)),
    ("nobody else answers", lambda found, _: found.tables["legs"][0].update(accepted_at=NOW)),
    ("each fact of a leg once", twice("leg.accepted")),
    ("each child's file opens once", twice("child.opened")),
    ("each child's file opens once", vanished("child.opened")),
    ("nothing else happens to a leg", voided),
    ("every fact of a leg is said", vanished("leg.issued")),
    ("every fact of a leg is said", vanished("leg.delivered")),
    ("every fact of a leg is said", vanished("leg.accepted")),
    ("each progress told once", vanished("report.progressed")),
    ("each progress told once", twice("report.progressed")),
    ("each missed clock once", vanished("leg.overdue")),
    ("each missed clock once", twice("leg.overdue")),
    ("each missed clock once", twice("leg.overdue", leg=ACTIVE)),
    ("each rung once", twice("leg.escalated")),
    ("each rung once", vanished("leg.escalated")),
    ("rungs keep their gap", too_early),
    ("rungs in order", late_first),
    ("one delivery per notice and party", drop("deliveries")),
    ("one delivery per event, party and channel", a_later_delivery("d5", "d6")),
    ("notice.delivered once per delivery", twice("notice.delivered")),
    ("notice.delivered once per delivery", a_later_delivery("d5")),
    ("nobody receives what is no delivery", lambda _, ledger: ledger.taken.add("d5")),
    ("nobody receives what is no delivery", entered(3, "d5")),
    ("every delivery ends", lambda found, _: found.tables["deliveries"][1].update(state="leased")),
    ("delivered means received", lambda _, ledger: ledger.taken.clear()),
    ("feeds: one number per id", entered(3, "d3")),
    ("feeds: one id per number", entered(2, "d5")),
    ("feeds are gap-free", lambda found, _: found.topics["heli.agency.police.v1"].pop(0)),
    ("feeds are gap-free", entered(7, "d5")),
    ("feeds: every number was drawn", without_counter),
    ("feeds: to their own agency", entered(3, "d4")),
    ("feeds: copies are byte-identical", entered(2, "d3", value=b"[]")),
    ("feeds in order", swapped("heli.agency.police.v1")),
    ("order per key", swapped("heli.referral.v1")),
    ("order per key", turned_under_other_keys),
    ("a key lies in one partition", changed(partition=1)),
    ("every event under its own key", changed(key=b"another")),
    ("published as saved", changed(value=b"{}")),
    ("published as saved", changed(value=b"\xff")),
    ("every journal entry is published", lambda found, _: found.topics["heli.referral.v1"].pop()),
    ("nothing unsaved is published", stranger),
    ("copies are byte-identical", altered),
    ("one relay sends a shard", all_sent_again),
    ("outboxes are empty", plumbed("outbox", seq=1, topic="t", headers=b"", late=True)),
    ("mailboxes are empty", plumbed("mailbox", seq=1)),
    ("nothing is parked", plumbed("parked", consumer="c", stream="s", reason="rule", error="e")),
    ("nothing is long overdue", plumbed("overdue", what="case_file", id=CASE, next_due=NOW)),
    ("locks in one order", plumbed("deadlocks", count=3)),
    ("locks in one order", lambda found, _: found.deadlocks.append("ERROR:  deadlock detected")),
    ("no dead letters", lambda found, _: found.topics.update({"heli.referral.v1.dlt": [published(JOURNAL[1], 1)]})),
]


def test_a_sound_run_passes() -> None:
    assert check(*sound()) == []


@pytest.mark.parametrize(("invariant", "harm"), HARMS)
def test_one_wrong_thing_is_named(invariant: str, harm: Harm) -> None:
    found, ledger = sound()
    harm(found, ledger)
    assert invariant in {finding.invariant for finding in check(found, ledger)}


@pytest.mark.parametrize("calm", [True, False])
def test_only_what_a_calm_round_has_sent_is_counted(calm: bool) -> None:  # noqa: FBT001 - a parameter of a test
    found, ledger = sound()
    all_sent_again(found, ledger)
    ends = {(topic, record.partition): 1000 for topic, records in found.topics.items() for record in records}
    ledger.begin(calm=calm, ends=ends if calm else {})
    assert check(found, ledger) == []


def test_what_the_auditor_says_is_in_no_journal() -> None:
    found, ledger = sound()
    said = JOURNAL[1]._replace(id="said", service="operations", type="heli.deadlines.stalled.v1")
    found.topics["heli.operations.v1"] = [published(said, 1)]
    assert check(found, ledger) == []
