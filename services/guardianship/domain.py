"""What does the file of a child hold? Ids, age, sex, region and its cases; no name, because no event carries one."""

from datetime import datetime
from uuid import UUID

import msgspec


class CaseOfChild(msgspec.Struct, frozen=True, kw_only=True):
    """One case that names the child. `grade` is referral's; `code` is the receipt number of its report."""

    case_id: UUID
    child_id: UUID
    report: UUID
    code: str
    grade: str
    opened_at: datetime
    closed_at: datetime | None = None


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """One child, one file. `age` in full years as last reported; `region` 12 digits."""

    id: UUID
    region: str
    age: int
    sex: str
    opened_at: datetime
    changed_at: datetime
    version: int = 0
    trace: str = ""
    next_due: datetime | None = None
    cases: dict[UUID, CaseOfChild] = {}

    def with_case(self, case: CaseOfChild) -> "Child":
        return msgspec.structs.replace(self, cases={**self.cases, case.case_id: case})
