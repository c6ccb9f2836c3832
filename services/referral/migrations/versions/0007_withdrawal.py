"""Who has asked the agency of a leg to let go of it, when and why."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("alter table leg add column withdrawal_at timestamptz, add column withdrawal_by varchar, add column withdrawal_code varchar")
    op.execute(
        "alter table leg add constraint leg_withdrawal_is_whole check (num_nulls(withdrawal_at, withdrawal_by, withdrawal_code) in (0, 3))"
    )


def downgrade() -> None:
    op.execute("alter table leg drop column withdrawal_code, drop column withdrawal_by, drop column withdrawal_at")
