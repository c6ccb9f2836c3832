"""Which cases of reports are linked as one child's story: who may read one of them may read the others."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("create table report_story (case_id uuid primary key, report_id uuid not null references report (id), story uuid)")
    op.execute("create index ix_report_story_report_id on report_story (report_id)")
    op.execute("create index ix_report_story_story on report_story (story)")


def downgrade() -> None:
    op.execute("drop table report_story")
