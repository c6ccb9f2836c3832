"""Every end that referral knows ends a leg here too, and with it the right to read."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("alter table report_leg drop constraint report_leg_ended")
    op.execute(
        "alter table report_leg add constraint report_leg_ended"
        " check (ended in ('fulfilled', 'declined', 'forwarded', 'withdrawn', 'void'))"
    )


def downgrade() -> None:
    op.execute("update report_leg set ended = 'declined' where ended in ('forwarded', 'withdrawn', 'void')")
    op.execute("alter table report_leg drop constraint report_leg_ended")
    op.execute("alter table report_leg add constraint report_leg_ended check (ended in ('declined', 'fulfilled'))")
