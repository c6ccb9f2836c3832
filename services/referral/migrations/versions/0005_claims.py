"""Which officer of its agency works on a leg, and since when."""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("alter table leg add column claimed_by varchar, add column claimed_at timestamptz")
    op.execute("alter table leg add constraint leg_claim_has_time check ((claimed_by is null) = (claimed_at is null))")


def downgrade() -> None:
    op.execute("alter table leg drop column claimed_at, drop column claimed_by")
