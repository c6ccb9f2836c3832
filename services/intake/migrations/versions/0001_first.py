"""The tables of the first release."""

from alembic import op

from shared.schema import create_plumbing, drop_plumbing

revision = "0001"
down_revision = None

TABLES = (
    """create table report (id uuid primary key, code varchar not null, party varchar not null, reporter_kind varchar not null,
    situations varchar not null, groups varchar not null, region varchar not null, seen_at timestamptz not null,
    received_at timestamptz not null, minors integer not null, opened varchar not null, opened_at timestamptz,
    opened_due timestamptz not null, stalled_at timestamptz, changed_at timestamptz not null, version integer not null,
    trace varchar not null, next_due timestamptz,
    constraint report_code_key unique (code),
    constraint report_minors check (minors > 0),
    constraint report_reason check (situations <> '' or groups <> ''),
    constraint report_clock check (opened_at is not null or stalled_at is not null or next_due is not null))""",
    "create index report_due on report (next_due) where next_due is not null",
    "create table report_content (id uuid primary key references report (id), content bytea not null)",
    """create table report_leg (id uuid primary key, report_id uuid not null references report (id), case_id uuid not null,
    agency varchar not null, department varchar not null, issued_at timestamptz not null, delivered_at timestamptz, seen_at timestamptz,
    accepted_at timestamptz, active_at timestamptz, done_at timestamptz, ended varchar,
    constraint report_leg_ended check (ended in ('declined', 'fulfilled')),
    constraint report_leg_done check (ended is distinct from 'fulfilled' or done_at is not null))""",
    "create index ix_report_leg_report_id on report_leg (report_id)",
)


def upgrade() -> None:
    create_plumbing()
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    for table in ("report_leg", "report_content", "report"):
        op.execute(f"drop table {table}")
    drop_plumbing()
