"""What is said of a leg and of a case: ids, codes and times, no place below the county except to an operator?"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from services.referral.domain.leg import CLOCKS, Leg, acknowledged_of
from services.referral.domain.paths import way_of
from services.referral.domain.press import current
from services.referral.tables import CaseRow, LegRow
from shared.regions import Regions


def leg_shown(row: LegRow, case: CaseRow) -> dict[str, Any]:
    leg = Leg(**row.model_dump())
    missed = leg.missed.split()
    clocks = {
        clock: {
            "due": getattr(leg, f"{clock}_due"),
            "at": leg.ended_at if clock == "done" else getattr(leg, f"{clock}_at"),
            "missed": clock in missed,
        }
        for clock in CLOCKS
    }
    return {
        "leg": leg.id,
        "case": case.id,
        "report": case.report,
        "code": case.code,
        "grade": case.grade,
        "county": county_of(case),
        "agency": leg.agency,
        "department": leg.department,
        "duty": leg.duty,
        "unassigned": leg.unassigned,
        "replaces": leg.replaces,
        "issued_at": leg.issued_at,
        "state": leg.state,
        "covered_by": leg.covered_by,
        "claimed_at": leg.claimed_at,
        **beside(leg),
        "step": leg.step,
        "ended": leg.ended,
        "end_code": leg.end_code,
        "clocks": clocks,
        "rungs_fired": leg.rung,
        "told": leg.told.split(),
        "rungs": rungs_shown(leg),
        "next_rung": leg.rung_due,
        "press": current(leg),
    }


def whole_leg(row: LegRow, case: CaseRow) -> dict[str, Any]:
    """To the agency whose leg it is: its path too. Nobody else reads what, say, the police decided."""
    return {**leg_shown(row, case), **msgspec.to_builtins(way_of(Leg(**row.model_dump())))}


def beside(leg: Leg) -> dict[str, Any]:
    """What stands beside the state: asked to let go, held, lapsed, undeliverable; each null while it does not."""
    return {
        "withdrawal": {"asked_at": leg.withdrawal_at, "by": leg.withdrawal_by, "reason": leg.withdrawal_code}
        if leg.withdrawal_at
        else None,
        "held": {"at": leg.held_at, "until": leg.held_until, "reason": leg.held_code} if leg.held_until else None,
        "lapsed_at": leg.lapsed_at,
        "undeliverable": {"at": leg.undeliverable_at, "reason": leg.undeliverable_code} if leg.undeliverable_at else None,
    }


def rungs_shown(leg: Leg) -> list[dict[str, Any]]:
    """Each rung that fired: whom it told, and who of them has taken note when."""
    known = {ack.rung: {"by": ack.by, "at": ack.at} for ack in acknowledged_of(leg)}
    return [{"rung": rung, "to": to, "acknowledged": known.get(rung)} for rung, to in enumerate(leg.told.split())]


def chain_shown(chain: Iterable[Leg]) -> list[dict[str, Any]]:
    """Who owed the duty before, who owes it after: agencies and how it left them."""
    return [
        {
            "leg": leg.id,
            "agency": leg.agency,
            "state": leg.state,
            "issued_at": leg.issued_at,
            "ended_at": leg.ended_at,
            "end_code": leg.end_code,
        }
        for leg in chain
    ]


def case_shown(case: CaseRow, rows: list[LegRow]) -> dict[str, Any]:
    """To everybody who may see the case."""
    after = {row.replaces: row.id for row in rows}
    return {
        "case": case.id,
        "report": case.report,
        "code": case.code,
        "number": case.number,
        "grade": case.grade,
        "county": county_of(case),
        "opened_at": case.opened_at,
        "closed_at": case.closed_at,
        "legs": [{**leg_shown(row, case), "replaced_by": after.get(row.id)} for row in rows],
    }


def linked_shown(case: CaseRow, others: Sequence[CaseRow]) -> dict[str, Any]:
    """The story of a case and the other cases in it; both empty for one that stands alone, and for whoever may not see them."""
    shown = [
        {"case": o.id, "report": o.report, "code": o.code, "grade": o.grade, "opened_at": o.opened_at, "closed_at": o.closed_at}
        for o in others
    ]
    return {"story": case.story if others else None, "linked": shown}


def whole_case(case: CaseRow, rows: list[LegRow]) -> dict[str, Any]:
    """To an operator: the child's id, the place and the next deadline too."""
    return {**case_shown(case, rows), "child": case.child, "region": case.region, "next_due": case.next_due}


def county_of(case: CaseRow) -> str:
    """The code of the case's county; of the place itself where it is above one."""
    regions = Regions.load()
    place = regions.find(case.region)
    county = regions.county(place) if place else None
    return county.code if county else case.region
