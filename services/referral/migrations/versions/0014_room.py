"""Room on every page for the next version of its rows.

A leg is updated several times soon after it was inserted, and in nothing that is indexed: where the page has room, no index is touched.
Pages that are full already stay as they are.
"""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.execute("alter table leg set (fillfactor = 70)")
    op.execute("alter table case_file set (fillfactor = 80)")


def downgrade() -> None:
    op.execute("alter table case_file reset (fillfactor)")
    op.execute("alter table leg set (fillfactor = 80)")
