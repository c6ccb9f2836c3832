"""The tables of the first release."""

from alembic import op

from shared.schema import create_plumbing, drop_plumbing

revision = "0001"
down_revision = None

TABLES = (
    """create table case_file (id uuid primary key, report uuid not null, code varchar not null, number smallint not null, child uuid not null,
    region varchar not null, grade varchar not null, rules varchar not null, calendar varchar not null, opened_at timestamptz not null,
    closed_at timestamptz, review_due timestamptz not null, next_due timestamptz, changed_at timestamptz not null, version integer not null,
    trace varchar not null,
    constraint case_open_is_due check (closed_at is not null or next_due is not null),
    constraint case_closed_rests check (closed_at is null or next_due is null),
    constraint case_grade check (grade in ('red', 'amber', 'green')))
    with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0)""",
    "create index case_due on case_file (next_due) where next_due is not null",
    "create index ix_case_file_report on case_file (report)",
    """create table leg (id uuid primary key, case_id uuid not null references case_file (id), number smallint not null,
    agency varchar not null, department varchar not null, duty varchar not null, unassigned boolean not null, replaces uuid,
    issued_at timestamptz not null, terms bytea not null, delivered_due timestamptz, seen_due timestamptz, accepted_due timestamptz,
    active_due timestamptz, done_due timestamptz, delivered_at timestamptz, seen_at timestamptz, accepted_at timestamptz,
    active_at timestamptz, ended_at timestamptz, ended varchar, end_code varchar, missed varchar not null, ladder_from timestamptz,
    rung smallint not null, rung_at timestamptz, rung_due timestamptz, told varchar not null,
    constraint leg_end_has_time check ((ended is null) = (ended_at is null)),
    constraint leg_end check (ended in ('fulfilled', 'declined', 'forwarded', 'withdrawn', 'void')),
    constraint leg_ended_rests check (ended is null or rung_due is null),
    constraint leg_seen_implies check (seen_at is null or delivered_at is not null),
    constraint leg_accepted_implies check (accepted_at is null or seen_at is not null),
    constraint leg_active_implies check (active_at is null or accepted_at is not null))
    with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0)""",
    "create index leg_case on leg (case_id)",
    "create unique index leg_open_duty on leg (case_id, agency, duty) where ended is null",
    "create index leg_open_agency on leg (agency, issued_at, id) where ended is null",
    """create table agency (id uuid primary key, code varchar not null unique, name varchar not null, department varchar not null,
    region varchar not null, superior varchar, phone varchar not null, active boolean not null, changed_at timestamptz not null,
    version integer not null, refused integer not null, refused_from timestamptz, next_due timestamptz, trace varchar not null)""",
    """create table rules (hash varchar primary key, kind varchar not null, data bytea not null, current boolean not null,
    at timestamptz not null default now(), constraint rules_kind check (kind in ('rules', 'calendar')))""",
    "create unique index rules_current on rules (kind) where current",
)


def upgrade() -> None:
    create_plumbing()
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    for table in ("rules", "agency", "leg", "case_file"):
        op.execute(f"drop table {table}")
    drop_plumbing()
