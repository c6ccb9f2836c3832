"""Does referral send PostgreSQL the same statements for one case or answer as for hundreds?"""

from datetime import timedelta
from uuid import UUID, uuid4

from services.referral import handlers
from shared.contracts.intake import ChildNamed, ReportAccepted
from shared.identifiers import case_id, leg_id, uuid7
from shared.messages import Message
from tests.integration.referral.conftest import NOW, Referral
from tests.support import county
from tests.support.statements import per_transaction, sent_by

SIZES = (10, 500, 10, 1)
"""The first is not counted: what a new connection or an empty reference costs once is no batch's."""


def accepted() -> Message:
    report, child = uuid7(), ChildNamed(number=1, child=uuid4(), age=9, sex="female")
    event = ReportAccepted(
        report=report, code=report.hex[-9:], situations=("L1a",), groups=(), region=county.VILLAGE, reporter_kind="school",
        seen_at=NOW, received_at=NOW, children=(child,),
    )  # fmt: skip
    return Message(body=handlers.OpenCase(case_id(report, 1), event, child), aggregate=case_id(report, 1), id=str(report), source="test")


async def test_cases_are_opened_answered_and_swept_with_so_many_statements_whatever_their_number(referral: Referral) -> None:
    sent = await sent_by(referral.pool)
    opened, answered, swept = [], [], []
    for size in SIZES:
        batch = [accepted() for _ in range(size)]
        sent.clear()
        await referral.cases.handle(batch)
        opened.append(await per_transaction(sent, 1))
        answers = [await answer(referral, message.aggregate) for message in batch]
        sent.clear()
        await referral.cases.handle(answers)
        answered.append(await per_transaction(sent, 1))
        await referral.forward(timedelta(days=2))
        sent.clear()
        assert (await referral.cases.sweep()).ticked == size
        swept.append(await per_transaction(sent, 1))
        await referral.sweep()
        await referral.pool.execute("delete from leg")
        await referral.pool.execute("delete from case_file")
    for found in (opened, answered, swept):
        assert found[1:] == [found[1]] * (len(SIZES) - 1)


async def answer(referral: Referral, case: UUID) -> Message:
    leg = leg_id(case, 1)
    agency = await referral.pool.fetchval("select agency from leg where id = $1", leg)
    taken = handlers.TakeAnswer(leg=leg, agency=agency, answer="seen", via="topic")
    return Message(body=taken, aggregate=case, id=str(leg), source="test", actor=agency)
