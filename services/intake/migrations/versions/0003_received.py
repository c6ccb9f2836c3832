"""An index of reports by when they were received: the joint conference asks who reported late in a period."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("create index report_received on report (received_at, id)")


def downgrade() -> None:
    op.execute("drop index report_received")
