"""What was the journey of one report, as one document and as lines to read? Pure: what the services told goes in, with the time it is."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from deploy.journey_words import Names, instant, sentence, short_type, when
from shared.identifiers import format_short_code

FACTS = ("delivered", "seen", "accepted", "active")
JOURNALS = ("intake", "referral", "guardianship", "notification")
JOURNAL_LIMIT = 2000
"""What an operator route gives at most; a longer journal is cut there, and that is said."""
WIDTH = 90
"""Up to here traces stand below each other; a longer sentence pushes its own aside."""
MINUTE, HOUR, DAY = 60, 3600, 86400
Row = Mapping[str, Any]


class Parts(msgspec.Struct, frozen=True):
    """What was found of a report, by part (`intake`, `referral`, `notification`, `<service> journal`), and why a part is missing."""

    found: Mapping[str, Any]
    missing: Mapping[str, str]


def journey(parts: Parts, now: datetime) -> dict[str, Any]:
    """Everything that is known of a report, as one document; times are UTC as the services wrote them."""
    about, cases = parts.found.get("intake", {}), parts.found.get("referral", {}).get("cases", [])
    journal = [{"service": name, **row} for name in JOURNALS for row in parts.found.get(f"{name} journal", {}).get("entries", [])]
    names = _names(
        [*about.get("cases", []), *cases, *(row["data"] for row in journal if short_type(row["type"]) == "case.opened")], journal
    )
    accepted: Row = next((row["data"] for row in journal if short_type(row["type"]) == "report.accepted"), {})
    code = next((row["data"]["code"] for row in journal if row["data"].get("code")), None)
    return {
        "report": about.get("report"),
        "code": about.get("code") or (format_short_code(code) if code else None),
        "region": about.get("region") or accepted.get("region") or next((case["region"] for case in cases), None),
        "reporter_kind": about.get("reporter_kind") or accepted.get("reporter_kind"),
        "situations": about.get("situations", accepted.get("situations", [])),
        "groups": about.get("groups", accepted.get("groups", [])),
        "received_at": about.get("received_at") or accepted.get("received_at"),
        "asked_at": now.isoformat(),
        "cases": [_case(case) for case in cases],
        "entries": [_entry(row, names) for row in sorted(journal, key=lambda row: instant(row["at"]))],
        "due": list(_due(about, cases, names, now)),
        "notices": list(_notices(parts.found.get("notification", {}).get("deliveries", []), names, now)),
        "cut": [name for name in JOURNALS if len(parts.found.get(f"{name} journal", {}).get("entries", [])) >= JOURNAL_LIMIT],
        "missing": dict(parts.missing),
    }


def _names(cases: list[Row], journal: list[dict[str, Any]]) -> Names:
    missed = {
        (row["data"]["leg"], row["data"]["clock"]): instant(row["data"]["due"])
        for row in journal
        if short_type(row["type"]) == "leg.overdue"
    }
    return Names({case["case"]: case["number"] for case in cases}, missed)


def _case(case: Row) -> dict[str, Any]:
    wanted = ("number", "case", "grade", "region", "opened_at", "closed_at", "next_due")
    return {name: case[name] for name in wanted} | {"legs": len(case["legs"]), "open": sum(leg["ended"] is None for leg in case["legs"])}


def _entry(row: Row, names: Names) -> dict[str, Any]:
    data = row["data"]
    leg, case = data.get("leg"), names.cases.get(data.get("case", ""))
    return {
        "at": row["at"],
        "service": row["service"],
        "type": short_type(row["type"]),
        "about": names.leg(leg) if leg else str(case) if case is not None else "",
        "says": sentence(row, names),
        "actor": row["actor"],
        "trace": row["trace"],
        "data": data,
    }


def _due(about: Row, cases: list[Row], names: Names, now: datetime) -> Iterator[dict[str, Any]]:
    """Per open leg its clocks that still run and its next rung, soonest first; before them intake's own clock."""
    if about.get("next_due") and not about.get("opened_at"):
        yield {"about": "report", "agency": "intake", "state": "waits for its cases", "next": [_next("cases open", about["next_due"], now)]}
    for case in cases:
        for leg in (leg for leg in case["legs"] if leg["ended"] is None):
            clocks = {name: clock for name, clock in leg["clocks"].items() if clock["due"] and clock["at"] is None}
            waits = [_next(name, clock["due"], now) for name, clock in clocks.items() if not clock["missed"]]
            rung = [_next(f"rung {leg['rungs_fired']}", leg["next_rung"], now)] if leg["next_rung"] else []
            rung += [_next("held until", leg["held"]["until"], now)] if leg.get("held") else []
            look = [_next("case looked at again", case["next_due"], now)] if case["next_due"] and not (waits or rung) else []
            yield {
                "about": names.leg(leg["leg"]),
                **{name: leg[name] for name in ("leg", "agency", "department", "duty")},
                "state": leg.get("state") or next((fact for fact in reversed(FACTS) if leg["clocks"][fact]["at"]), "issued"),
                "overdue": [name for name, clock in clocks.items() if clock["missed"]],
                "next": sorted([*waits, *rung, *look], key=lambda step: instant(step["at"])),
            }


def _next(what: str, at: str, now: datetime) -> dict[str, Any]:
    return {"what": what, "at": at, "seconds": round((instant(at) - now).total_seconds(), 3)}


UNDER_WAY = {
    "waiting": "a way to it looked for again",
    "due": "attempt {next}",
    "leased": "attempt {attempts} under way, given up",
    "sent": "acknowledgement of the broker asked after",
}
"""What the due moment of an open delivery means, by its state."""


def _notices(deliveries: list[Row], names: Names, now: datetime) -> Iterator[dict[str, Any]]:
    for row in (row for row in deliveries if row["next_due"]):
        what = UNDER_WAY.get(row["state"], "next").format(attempts=row["attempts"], next=row["attempts"] + 1)
        yield {
            "about": names.leg(row["leg"]) if row["leg"] else "",
            "notice": row["about"],
            **{name: row[name] for name in ("delivery", "party", "channel", "state", "attempts", "last_error")},
            "next": [_next(what, row["next_due"], now)],
        }


def lines(found: Row) -> Iterator[str]:
    """The journey as a person reads it, in the time of Asia/Shanghai."""
    yield f"report  {found['code'] or 'code unknown'}  {found['report'] or ''}".rstrip()
    yield f"region  {found['region'] or 'unknown'}"
    if found["received_at"]:
        codes = " ".join([*found["situations"], *found["groups"]])
        yield f"filed   {when(found['received_at'], ms=True)} by a {found['reporter_kind']}: {codes}"
    for case in found["cases"]:
        end = f"closed {when(case['closed_at'])}" if case["closed_at"] else f"{case['open']} open"
        yield f"case {case['number']}  {case['grade']}, {case['legs']} legs, {end}  {case['case']}"
    yield from ["", *_table(found["entries"]), ""]
    yield from _outlook(found)
    yield from (f"The journal of {name} is longer than {JOURNAL_LIMIT} entries: its end is not shown." for name in found["cut"])
    yield from (f"missing: {part} {how}" for part, how in found["missing"].items())


def _table(entries: list[Row]) -> Iterator[str]:
    width = min(max((len(entry["says"]) for entry in entries), default=0), WIDTH)
    yield f"{'time (Asia/Shanghai)':<23}  {'leg':<5} {'what':<{width}}  trace" if entries else "No journal has an entry."
    for entry in entries:
        yield f"{when(entry['at'], ms=True)}  {entry['about']:<5} {entry['says']:<{width}}  {entry['trace'] or 'not sampled'}"


def _outlook(found: Row) -> Iterator[str]:
    for leg in found["due"]:
        marks = "".join(f", {clock} overdue" for clock in leg.get("overdue", ()))
        yield f"{leg['about']:<6} {leg['agency']}  {leg['state']}{marks}; next: {_steps(leg['next'])}"
    for notice in found["notices"]:
        error = f" after {notice['last_error']}" if notice["last_error"] else ""
        yield f"{notice['about'] or '-':<6} notice of {notice['notice']} to {notice['party']} via {notice['channel']}{error}: {_steps(notice['next'])}"
    if not found["due"] and not found["notices"] and "referral" not in found["missing"]:
        yield "Nothing is due: no leg is open."


def _steps(steps: list[Row]) -> str:
    return ", ".join(f"{step['what']} {_in(step['seconds'])} ({when(step['at'])})" for step in steps) or "nothing"


def _in(seconds: float) -> str:
    """In how long, or since when, in its two largest units."""
    whole = abs(round(seconds))
    units = [(whole // DAY, "d"), (whole % DAY // HOUR, "h"), (whole % HOUR // MINUTE, "min"), (whole % MINUTE, "s")]
    first = next((place for place, (count, _) in enumerate(units) if count), 3)
    length = " ".join(f"{count} {unit}" for count, unit in units[first : first + 2] if count) or "0 s"
    return f"in {length}" if seconds >= 0 else f"since {length}"
