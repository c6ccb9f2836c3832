"""How often an agency's entry was changed, apart from how often its row was saved."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.execute("alter table agency add column edition integer not null default 0")
    op.execute("update agency set edition = version")


def downgrade() -> None:
    op.execute("alter table agency drop column edition")
