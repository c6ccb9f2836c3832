"""Room on every page for the next version of its rows: a notice is updated several times soon after it was inserted."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("alter table notice set (fillfactor = 70)")


def downgrade() -> None:
    op.execute("alter table notice reset (fillfactor)")
