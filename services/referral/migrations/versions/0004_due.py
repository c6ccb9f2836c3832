"""An index of the agencies that are due: the sweep asks for them many times a second, and mostly there are none."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("create index agency_due on agency (next_due) where next_due is not null")


def downgrade() -> None:
    op.execute("drop index agency_due")
