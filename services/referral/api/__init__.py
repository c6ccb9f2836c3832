"""What may be asked of referral by HTTP? Agencies answer, offices press, lists of legs and cases, the directory, an operator's view of a report."""

from fastapi import APIRouter

from services.referral.api import (
    claims,
    directory,
    imports,
    joint,
    ledgers,
    legs,
    lists,
    moves,
    operations,
    presses,
    rules,
    rungs,
    stats,
    stories,
)
from services.referral.api.directory import version_in

__all__ = ["router", "version_in"]

router = APIRouter()
# Asked in this order: first what agencies say all day. Trap: the `/legs/{leg}/{answer}` of `legs` matches what stands before it, too.
for part in (presses, claims, moves, legs, lists, joint, stats, ledgers, rungs, directory, imports, operations, stories, rules):
    router.include_router(part.router)
