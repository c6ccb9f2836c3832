"""Which joint-conference office presses for a leg (督办), until when it waits for an answer, and all presses there were."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute(
        "alter table leg add column pressed_by varchar, add column press_due timestamptz, add column presses bytea not null default '[]'"
    )
    op.execute("alter table leg add constraint leg_press_is_made check (press_due is null or pressed_by is not null)")
    op.execute("create index leg_pressed on leg (issued_at, id) where pressed_by is not null")


def downgrade() -> None:
    op.execute("alter table leg drop column presses, drop column press_due, drop column pressed_by")
