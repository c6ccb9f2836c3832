"""When a leg was held, not only since when: what counts its clocks again counts over its pauses.

Takes a column away that the code before it names: referral is stopped for it, as `heli up` does.
"""

from alembic import op

revision = "0013"
down_revision = "0012"

INSTANT = """to_char(held_from at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""


def upgrade() -> None:
    """Of a pause that is over only its begin was kept; from it the limit of all pauses runs."""
    op.execute("alter table leg add column pauses bytea not null default '[]'")
    op.execute(
        f"update leg set pauses = convert_to(json_build_array(json_build_array({INSTANT}, {INSTANT}))::text, 'UTF8')"
        " where held_from is distinct from held_at"
    )
    op.execute("alter table leg drop column held_from")


def downgrade() -> None:
    op.execute("alter table leg add column held_from timestamptz")
    op.execute(
        "update leg set held_from = coalesce((convert_from(pauses, 'UTF8')::json -> 0 ->> 0)::timestamptz, held_at)"
        " where pauses <> '[]' or held_at is not null"
    )
    op.execute("alter table leg drop column pauses")
