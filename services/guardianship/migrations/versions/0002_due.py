"""An index of the files that are due: the sweep asks for them many times a second, and mostly there are none."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("create index child_due on child (next_due) where next_due is not null")


def downgrade() -> None:
    op.execute("drop index child_due")
