"""Cases of one child are linked: the story of a case, what its rules looked at, and which open leg covers which duty."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute(
        "alter table case_file add column story uuid, add column apart boolean not null default false,"
        " add column facts bytea not null default '', add constraint case_apart_has_no_story check (not apart or story is null)"
    )
    op.execute("create index case_child on case_file (child) where closed_at is null")
    op.execute("create index case_story on case_file (story) where story is not null")
    op.execute(
        "alter table leg add column covered_by uuid, add column covers varchar not null default '',"
        " add constraint leg_covered_has_no_clock check (covered_by is null or (covers = ''"
        " and coalesce(delivered_due, seen_due, accepted_due, active_due, done_due) is null))"
    )


def downgrade() -> None:
    op.execute("alter table leg drop constraint leg_covered_has_no_clock, drop column covers, drop column covered_by")
    op.execute("drop index case_story")
    op.execute("drop index case_child")
    op.execute("alter table case_file drop constraint case_apart_has_no_story, drop column facts, drop column apart, drop column story")
