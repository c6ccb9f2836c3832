"""Indexes of the lists: cases by time, and the few legs that are overdue."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("create index case_opened on case_file (opened_at, id)")
    op.execute("create index leg_overdue on leg (issued_at, id) where ended is null and ladder_from is not null")


def downgrade() -> None:
    op.execute("drop index leg_overdue")
    op.execute("drop index case_opened")
