"""Room on every page for the next version of its rows: reports and their legs are updated several times soon after they were inserted."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("alter table report_leg set (fillfactor = 60)")
    op.execute("alter table report set (fillfactor = 70)")


def downgrade() -> None:
    op.execute("alter table report reset (fillfactor)")
    op.execute("alter table report_leg reset (fillfactor)")
