"""Which rows does intake keep? What is personal stands in one column of one table."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime, Index, MetaData, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from shared.database import with_plumbing

METADATA = MetaData()


def moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class ReportRow(SQLModel, table=True):
    """A report without its content. Codes and child numbers are separated by blanks."""

    __tablename__ = "report"
    metadata = METADATA
    id: UUID = Field(primary_key=True)
    code: str
    party: str
    reporter_kind: str
    situations: str
    groups: str
    region: str
    seen_at: datetime = Field(sa_column=moment())
    received_at: datetime = Field(sa_column=moment())
    minors: int
    opened: str
    opened_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    opened_due: datetime = Field(sa_column=moment())
    stalled_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    changed_at: datetime = Field(sa_column=moment())
    version: int
    trace: str
    next_due: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    unreported: str = Field(default="", sa_column_kwargs={"server_default": text("''")})
    __table_args__ = (
        UniqueConstraint("code", name="report_code_key"),
        CheckConstraint("minors > 0", name="report_minors"),
        CheckConstraint("situations <> '' or groups <> ''", name="report_reason"),
        CheckConstraint("opened_at is not null or stalled_at is not null or next_due is not null", name="report_clock"),
        Index("report_received", "received_at", "id"),
        Index("report_unreported", "received_at", "id", postgresql_where=text("unreported <> ''")),
        Index("report_due", "next_due", postgresql_where=text("next_due is not null")),
    )


class ContentRow(SQLModel, table=True):
    """Children as told, facts, who received it, the reporter: written once, read by whoever holds a leg, never published."""

    __tablename__ = "report_content"
    metadata = METADATA
    id: UUID = Field(primary_key=True, foreign_key="report.id")
    content: bytes


class LegRow(SQLModel, table=True):
    """A leg, as referral told it."""

    __tablename__ = "report_leg"
    metadata = METADATA
    id: UUID = Field(primary_key=True)
    report_id: UUID = Field(foreign_key="report.id", index=True)
    case_id: UUID
    agency: str
    department: str
    issued_at: datetime = Field(sa_column=moment())
    delivered_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    seen_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    accepted_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    active_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    done_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    ended: str | None = None
    __table_args__ = (
        CheckConstraint("ended in ('fulfilled', 'declined', 'forwarded', 'withdrawn', 'void')", name="report_leg_ended"),
        CheckConstraint("ended is distinct from 'fulfilled' or done_at is not null", name="report_leg_done"),
    )


class StoryRow(SQLModel, table=True):
    """Under which story a case of a report is linked with other reports' cases of the same child, as referral told it."""

    __tablename__ = "report_story"
    metadata = METADATA
    case_id: UUID = Field(primary_key=True)
    report_id: UUID = Field(foreign_key="report.id", index=True)
    story: UUID | None = Field(default=None, index=True)


with_plumbing(METADATA)
