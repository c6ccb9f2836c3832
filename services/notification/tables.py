"""Which rows does notification keep?"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime, Index, MetaData, text
from sqlmodel import Field, SQLModel

from shared.database import with_plumbing

METADATA = MetaData()


def moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


def maybe() -> datetime | None:
    found: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    return found


class NoticeRow(SQLModel, table=True):
    """One subject that must be told. `pending` deliveries are open, and then there is a next due moment."""

    __tablename__ = "notice"
    metadata = METADATA
    id: UUID = Field(primary_key=True)
    report: UUID | None = None
    case_id: UUID | None = None
    code: str | None = None
    agency: str | None = None
    department: str | None = None
    duty: str | None = None
    grade: str | None = None
    region: str | None = None
    delivered_due: datetime | None = maybe()
    seen_due: datetime | None = maybe()
    accepted_due: datetime | None = maybe()
    active_due: datetime | None = maybe()
    done_due: datetime | None = maybe()
    state: str
    link_answered_at: datetime | None = maybe()
    refused_state: str | None = None
    changed_at: datetime = Field(sa_column=moment())
    version: int
    trace: str
    pending: int
    next_due: datetime | None = maybe()
    __table_args__ = (
        CheckConstraint("state in ('open', 'accepted', 'ended')", name="notice_state"),
        CheckConstraint("(pending > 0) = (next_due is not null)", name="notice_due"),
        Index("notice_report", "report"),
        Index("notice_next_due", "next_due", postgresql_where=text("next_due is not null")),
    )


class DeliveryRow(SQLModel, table=True):
    """One event for one party through one channel."""

    __tablename__ = "delivery"
    metadata = METADATA
    id: UUID = Field(primary_key=True)
    notice_id: UUID = Field(foreign_key="notice.id")
    event: str
    about: str
    party: str
    channel: str
    state: str
    attempt: int
    due: datetime | None = maybe()
    body: bytes
    traceparent: str
    last_error: str | None = None
    delivered_at: datetime | None = maybe()
    created_at: datetime = Field(sa_column=moment())
    __table_args__ = (
        CheckConstraint("channel in ('none', 'webhook', 'topic')", name="delivery_channel"),
        CheckConstraint("state in ('waiting', 'due', 'leased', 'sent', 'delivered', 'failed', 'ended')", name="delivery_state"),
        CheckConstraint("(state in ('waiting', 'due', 'leased', 'sent')) = (due is not null)", name="delivery_due"),
        CheckConstraint("(state = 'delivered') = (delivered_at is not null)", name="delivery_delivered"),
        Index("delivery_notice", "notice_id", "event"),
        Index("delivery_open", "notice_id", postgresql_where=text("due is not null")),
    )


class EndpointRow(SQLModel, table=True):
    """How one party is reached. A webhook has a secret; the old one goes when its rotation is over."""

    __tablename__ = "endpoint"
    metadata = METADATA
    id: UUID = Field(primary_key=True)
    party: str = Field(unique=True)
    url: str | None = None
    secret: str | None = None
    previous: str | None = None
    previous_until: datetime | None = maybe()
    feed: bool
    enabled: bool
    changed_at: datetime = Field(sa_column=moment())
    version: int
    trace: str
    next_due: datetime | None = maybe()
    __table_args__ = (
        CheckConstraint("(url is null) = (secret is null)", name="endpoint_secret"),
        CheckConstraint("(previous is null) = (previous_until is null)", name="endpoint_previous"),
        CheckConstraint("(previous is not null) = (next_due is not null)", name="endpoint_due"),
        Index("endpoint_next_due", "next_due", postgresql_where=text("next_due is not null")),
    )


class DirectoryRow(SQLModel, table=True):
    """The newest entry of one agency, as referral published it."""

    __tablename__ = "directory"
    metadata = METADATA
    agency: str = Field(primary_key=True)
    name: str
    department: str
    region: str
    superior: str | None = None
    phone: str
    active: bool
    version: int


with_plumbing(METADATA)
