"""Which units owed a report that another one made, as a joint-conference office says."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("alter table report add column unreported varchar not null default ''")
    op.execute("create index report_unreported on report (received_at, id) where unreported <> ''")


def downgrade() -> None:
    op.execute("alter table report drop column unreported")
