"""What a ladder remembers beside its rungs: how often one was told again, whom it waits for, and who has taken note."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        "alter table leg add column repeats smallint not null default 0, add column rang_at timestamptz, add column quiet_until timestamptz,"
        " add column acks bytea not null default '[]'"
    )
    op.execute("update leg set rang_at = rung_at where ended is null and rung_at is not null")


def downgrade() -> None:
    op.execute("alter table leg drop column acks, drop column quiet_until, drop column rang_at, drop column repeats")
