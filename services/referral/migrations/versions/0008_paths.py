"""How far a leg has come on the path of its duty, and an index of the ledgers: open legs by duty."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("alter table leg add column step varchar, add column way bytea not null default '{}'")
    op.execute("create index leg_open_path on leg (duty, issued_at, id) where ended is null")


def downgrade() -> None:
    op.execute("drop index leg_open_path")
    op.execute("alter table leg drop column way, drop column step")
