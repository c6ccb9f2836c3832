"""Which clocks of a leg were counted through a year without a published calendar."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.execute("alter table leg add column doubts bytea not null default '[]'")
    op.execute("create index leg_doubtful on leg (case_id) where ended is null and doubts <> '[]'::bytea")


def downgrade() -> None:
    op.execute("drop index leg_doubtful")
    op.execute("alter table leg drop column doubts")
