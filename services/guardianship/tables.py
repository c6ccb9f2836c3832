"""Which rows does guardianship keep?"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime, Index, MetaData, text
from sqlmodel import Field, SQLModel

from shared.database import with_plumbing

METADATA = MetaData()


def moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class ChildRow(SQLModel, table=True):
    """A child's file."""

    __tablename__ = "child"
    metadata = METADATA
    id: UUID = Field(primary_key=True)
    region: str
    age: int
    sex: str
    opened_at: datetime = Field(sa_column=moment())
    changed_at: datetime = Field(sa_column=moment())
    version: int
    trace: str
    next_due: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    __table_args__ = (
        CheckConstraint("sex in ('male', 'female', 'unknown')", name="child_sex"),
        Index("child_region", "region", "opened_at", "id"),
        Index("child_due", "next_due", postgresql_where=text("next_due is not null")),
    )


class CaseRow(SQLModel, table=True):
    """A case of a child, as referral told it."""

    __tablename__ = "child_case"
    metadata = METADATA
    case_id: UUID = Field(primary_key=True)
    child_id: UUID = Field(foreign_key="child.id", index=True)
    report: UUID
    code: str
    grade: str
    opened_at: datetime = Field(sa_column=moment())
    closed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    __table_args__ = (CheckConstraint("grade in ('red', 'amber', 'green')", name="child_case_grade"),)


with_plumbing(METADATA)
