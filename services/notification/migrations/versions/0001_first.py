"""The tables of the first release."""

from alembic import op

from shared.schema import create_plumbing, drop_plumbing

revision = "0001"
down_revision = None

TABLES = (
    """create table notice (id uuid primary key, report uuid, case_id uuid, code varchar, agency varchar, department varchar, duty varchar,
    grade varchar, region varchar, delivered_due timestamptz, seen_due timestamptz, accepted_due timestamptz, active_due timestamptz,
    done_due timestamptz, state varchar not null, link_answered_at timestamptz, refused_state varchar, changed_at timestamptz not null,
    version integer not null, trace varchar not null, pending integer not null, next_due timestamptz,
    constraint notice_state check (state in ('open', 'accepted', 'ended')),
    constraint notice_due check ((pending > 0) = (next_due is not null)))""",
    "create index notice_report on notice (report)",
    "create index notice_next_due on notice (next_due) where next_due is not null",
    """create table delivery (id uuid primary key, notice_id uuid not null references notice (id), event varchar not null,
    about varchar not null, party varchar not null, channel varchar not null, state varchar not null, attempt integer not null,
    due timestamptz, body bytea not null, traceparent varchar not null, last_error varchar, delivered_at timestamptz,
    created_at timestamptz not null,
    constraint delivery_channel check (channel in ('none', 'webhook', 'topic')),
    constraint delivery_state check (state in ('waiting', 'due', 'leased', 'sent', 'delivered', 'failed', 'ended')),
    constraint delivery_due check ((state in ('waiting', 'due', 'leased', 'sent')) = (due is not null)),
    constraint delivery_delivered check ((state = 'delivered') = (delivered_at is not null)))""",
    "create index delivery_notice on delivery (notice_id, event)",
    "create index delivery_open on delivery (notice_id) where due is not null",
    """create table endpoint (id uuid primary key, party varchar not null unique, url varchar, secret varchar, previous varchar,
    previous_until timestamptz, feed boolean not null, enabled boolean not null, changed_at timestamptz not null, version integer not null,
    trace varchar not null, next_due timestamptz,
    constraint endpoint_secret check ((url is null) = (secret is null)),
    constraint endpoint_previous check ((previous is null) = (previous_until is null)),
    constraint endpoint_due check ((previous is not null) = (next_due is not null)))""",
    "create index endpoint_next_due on endpoint (next_due) where next_due is not null",
    """create table directory (agency varchar primary key, name varchar not null, department varchar not null, region varchar not null,
    superior varchar, phone varchar not null, active boolean not null, version integer not null)""",
)


def upgrade() -> None:
    create_plumbing()
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    for table in ("directory", "endpoint", "delivery", "notice"):
        op.execute(f"drop table {table}")
    drop_plumbing()
