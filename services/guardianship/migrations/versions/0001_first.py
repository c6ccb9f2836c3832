"""The tables of the first release."""

from alembic import op

from shared.schema import create_plumbing, drop_plumbing

revision = "0001"
down_revision = None

TABLES = (
    """create table child (id uuid primary key, region varchar not null, age integer not null, sex varchar not null,
    opened_at timestamptz not null, changed_at timestamptz not null, version integer not null, trace varchar not null, next_due timestamptz,
    constraint child_sex check (sex in ('male', 'female', 'unknown')))""",
    "create index child_region on child (region, opened_at, id)",
    """create table child_case (case_id uuid primary key, child_id uuid not null references child (id), report uuid not null,
    code varchar not null, grade varchar not null, opened_at timestamptz not null, closed_at timestamptz,
    constraint child_case_grade check (grade in ('red', 'amber', 'green')))""",
    "create index ix_child_case_child_id on child_case (child_id)",
)


def upgrade() -> None:
    create_plumbing()
    for statement in TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop table child_case")
    op.execute("drop table child")
    drop_plumbing()
