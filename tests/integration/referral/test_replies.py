"""What do records on a replies topic cost and change that are no answer to a leg of their agency?"""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import msgspec

from services.referral.consumer import Replies
from services.referral.domain.agency import REFUSALS_A_MINUTE
from shared.messages import Record
from tests.integration.referral.conftest import Referral


def record(agency: str, leg: UUID, offset: int) -> Record:
    value = msgspec.json.encode({"leg": leg, "answer": "accepted"})
    return Record(f"heli.agency.{agency}.replies.v1", 0, offset, None, value, (), datetime.now(UTC))


async def test_answers_to_strange_legs_are_refused_within_the_agencys_limit_and_its_own_answer_is_taken(referral: Referral) -> None:
    case = await referral.report("L1a")
    own, another = case.legs[1], next(leg for leg in case.legs.values() if leg.agency != case.legs[1].agency)
    strange = [record(own.agency, key, offset) for offset, key in enumerate([another.id, *(uuid4() for _ in range(REFUSALS_A_MINUTE + 4))])]
    await Replies(referral.cases, referral.agencies).apply([*strange, record(own.agency, own.id, 500)])
    told = await referral.events("answer.refused")
    assert [(t["reason"], t["leg"], t["offset"]) for t in told[:1]] == [("not-found", str(another.id), 0)]
    assert len(told) == REFUSALS_A_MINUTE
    assert (await referral.case(case.id)).legs[1].state == "accepted"


async def test_an_answer_that_the_database_refuses_is_refused_to_its_agency_and_the_others_are_taken(referral: Referral) -> None:
    case = await referral.report("L1a")
    refused, other = case.legs[1], next(leg for leg in case.legs.values() if leg.agency != case.legs[1].agency)
    await referral.pool.execute(f"alter table leg add constraint lately check (agency <> '{refused.agency}' or accepted_at is null)")
    replies = Replies(referral.cases, referral.agencies)
    await replies([record(refused.agency, refused.id, 1), record(other.agency, other.id, 2)])
    (told,) = await referral.events("answer.refused")
    assert (told["agency"], told["reason"], told["offset"], told["leg"]) == (refused.agency, "refused-by-database", 1, str(refused.id))
    found = (await referral.case(case.id)).legs
    assert (found[refused.number].state, found[other.number].state) == ("issued", "accepted")
