"""Which rows does referral keep, and which states can they not hold?"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime, Index, MetaData, SmallInteger, text
from sqlmodel import Field, SQLModel

from services.referral.domain.leg import ENDS
from shared.database import with_plumbing

METADATA = MetaData()


def moment(*, nullable: bool = False) -> Column[datetime]:
    return Column(DateTime(timezone=True), nullable=nullable)


class CaseRow(SQLModel, table=True):
    """One child's case. Few indexes: a changed deadline makes an entry in every one of them."""

    __tablename__ = "case_file"
    metadata = METADATA
    id: UUID = Field(primary_key=True)
    report: UUID = Field(index=True)
    code: str
    number: int = Field(sa_type=SmallInteger)
    child: UUID
    region: str
    grade: str
    rules: str
    calendar: str
    opened_at: datetime = Field(sa_column=moment())
    closed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    review_due: datetime = Field(sa_column=moment())
    next_due: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    changed_at: datetime = Field(sa_column=moment())
    version: int
    trace: str
    story: UUID | None = None
    apart: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    facts: bytes = Field(default=b"", sa_column_kwargs={"server_default": text("''")})
    __table_args__ = (
        Index("case_opened", "opened_at", "id"),
        Index("case_child", "child", postgresql_where=text("closed_at is null")),
        Index("case_story", "story", postgresql_where=text("story is not null")),
        CheckConstraint("not apart or story is null", name="case_apart_has_no_story"),
        Index("case_due", "next_due", postgresql_where=text("next_due is not null")),
        CheckConstraint("closed_at is not null or next_due is not null", name="case_open_is_due"),
        CheckConstraint("closed_at is null or next_due is null", name="case_closed_rests"),
        CheckConstraint("grade in ('red', 'amber', 'green')", name="case_grade"),
    )


class LegRow(SQLModel, table=True):
    """One leg. No index on its clocks: the case's `next_due` is their earliest, and the row stays HOT."""

    __tablename__ = "leg"
    metadata = METADATA
    id: UUID = Field(primary_key=True)
    case_id: UUID = Field(foreign_key="case_file.id")
    number: int = Field(sa_type=SmallInteger)
    agency: str
    department: str
    duty: str
    unassigned: bool
    replaces: UUID | None = None
    issued_at: datetime = Field(sa_column=moment())
    terms: bytes
    delivered_due: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    seen_due: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    accepted_due: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    active_due: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    done_due: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    delivered_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    seen_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    accepted_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    active_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    ended_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    ended: str | None = None
    end_code: str | None = None
    missed: str
    ladder_from: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    rung: int = Field(sa_type=SmallInteger)
    rung_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    rung_due: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    told: str
    repeats: int = Field(default=0, sa_type=SmallInteger, sa_column_kwargs={"server_default": text("0")})
    rang_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    quiet_until: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    acks: bytes = Field(default=b"[]", sa_column_kwargs={"server_default": text("'[]'")})
    claimed_by: str | None = None
    claimed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    pressed_by: str | None = None
    press_due: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    presses: bytes = Field(default=b"[]", sa_column_kwargs={"server_default": text("'[]'")})
    withdrawal_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    withdrawal_by: str | None = None
    withdrawal_code: str | None = None
    step: str | None = None
    way: bytes = Field(default=b"{}", sa_column_kwargs={"server_default": text("'{}'")})
    covered_by: UUID | None = None
    covers: str = Field(default="", sa_column_kwargs={"server_default": text("''")})
    doubts: bytes = Field(default=b"[]", sa_column_kwargs={"server_default": text("'[]'")})
    pauses: bytes = Field(default=b"[]", sa_column_kwargs={"server_default": text("'[]'")})
    held_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    held_until: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    held_code: str | None = None
    lapsed_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    undeliverable_at: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    undeliverable_code: str | None = None
    __table_args__ = (
        Index("leg_case", "case_id"),
        Index("leg_open_duty", "case_id", "agency", "duty", unique=True, postgresql_where=text("ended is null")),
        Index("leg_open_agency", "agency", "issued_at", "id", postgresql_where=text("ended is null")),
        Index("leg_open_path", "duty", "issued_at", "id", postgresql_where=text("ended is null")),
        Index("leg_doubtful", "case_id", postgresql_where=text("ended is null and doubts <> '[]'::bytea")),
        Index("leg_overdue", "issued_at", "id", postgresql_where=text("ended is null and ladder_from is not null")),
        Index("leg_pressed", "issued_at", "id", postgresql_where=text("pressed_by is not null")),
        CheckConstraint("press_due is null or pressed_by is not null", name="leg_press_is_made"),
        CheckConstraint("(ended is null) = (ended_at is null)", name="leg_end_has_time"),
        CheckConstraint(f"ended in {ENDS}", name="leg_end"),
        CheckConstraint("ended is null or rung_due is null", name="leg_ended_rests"),
        CheckConstraint("seen_at is null or delivered_at is not null", name="leg_seen_implies"),
        CheckConstraint("accepted_at is null or seen_at is not null", name="leg_accepted_implies"),
        CheckConstraint("active_at is null or accepted_at is not null", name="leg_active_implies"),
        CheckConstraint("(claimed_by is null) = (claimed_at is null)", name="leg_claim_has_time"),
        CheckConstraint("num_nulls(withdrawal_at, withdrawal_by, withdrawal_code) in (0, 3)", name="leg_withdrawal_is_whole"),
        CheckConstraint(
            "covered_by is null or (covers = '' and coalesce(delivered_due, seen_due, accepted_due, active_due, done_due) is null)",
            name="leg_covered_has_no_clock",
        ),
        CheckConstraint("num_nulls(held_at, held_until, held_code) in (0, 3)", name="leg_hold_is_whole"),
        CheckConstraint("held_until is null or (ended is null and held_until > held_at)", name="leg_hold_of_open"),
        CheckConstraint("lapsed_at is null or accepted_at is not null", name="leg_lapsed_implies"),
        CheckConstraint("num_nulls(undeliverable_at, undeliverable_code) in (0, 2)", name="leg_undeliverable_is_whole"),
    )


class AgencyRow(SQLModel, table=True):
    """One agency of the directory. `region` is a key of the division table; `edition` counts changes of the entry, `version` every saving."""

    __tablename__ = "agency"
    metadata = METADATA
    id: UUID = Field(primary_key=True)
    code: str = Field(unique=True)
    name: str
    department: str
    region: str
    superior: str | None = None
    phone: str
    active: bool
    changed_at: datetime = Field(sa_column=moment())
    version: int
    edition: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    refused: int
    refused_from: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    next_due: datetime | None = Field(default=None, sa_column=moment(nullable=True))
    trace: str
    __table_args__ = (Index("agency_due", "next_due", postgresql_where=text("next_due is not null")),)


class RulesRow(SQLModel, table=True):
    """Rules and calendars that were ever used, by the hash of their bytes; the files are only where they came from."""

    __tablename__ = "rules"
    metadata = METADATA
    hash: str = Field(primary_key=True)
    kind: str
    data: bytes
    current: bool
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=text("now()")))
    __table_args__ = (
        CheckConstraint("kind in ('rules', 'calendar')", name="rules_kind"),
        Index("rules_current", "kind", unique=True, postgresql_where=text("current")),
    )


with_plumbing(METADATA)
