"""What can stand beside the state of a leg: held, an acceptance that lapsed, an agency that nothing reaches."""

from alembic import op

revision = "0012"
down_revision = "0011"

CHECKS = {
    "leg_hold_is_whole": "num_nulls(held_at, held_until, held_code) in (0, 3)",
    "leg_hold_of_open": "held_until is null or (ended is null and held_until > held_at)",
    "leg_lapsed_implies": "lapsed_at is null or accepted_at is not null",
    "leg_undeliverable_is_whole": "num_nulls(undeliverable_at, undeliverable_code) in (0, 2)",
}


def upgrade() -> None:
    op.execute(
        "alter table leg add column held_from timestamptz, add column held_at timestamptz, add column held_until timestamptz,"
        " add column held_code varchar, add column lapsed_at timestamptz, add column undeliverable_at timestamptz,"
        " add column undeliverable_code varchar"
    )
    for name, rule in CHECKS.items():
        op.execute(f"alter table leg add constraint {name} check ({rule})")


def downgrade() -> None:
    for column in ("undeliverable_code", "undeliverable_at", "lapsed_at", "held_code", "held_until", "held_at", "held_from"):
        op.execute(f"alter table leg drop column {column}")
