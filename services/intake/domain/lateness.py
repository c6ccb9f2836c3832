"""From when on is a report late, and of which reports may an office ask? The law says at once and gives no number; the county does."""

from datetime import timedelta

from shared.regions import Regions

WITH_SITUATION, GROUPS_ALONE = timedelta(hours=2), timedelta(hours=24)
"""From seen to received. Basis local: the county's parameters beside R01 to R13, and beside R05, of the rules; a caller may ask by another."""
PERIOD, LONGEST = timedelta(days=30), timedelta(days=366)


def places_in(regions: Regions, code: str) -> frozenset[str] | None:
    """The codes under which a report may lie in this place; None for what is no place."""
    region = regions.find(code)
    return None if region is None else frozenset(unit.code for unit in regions.below(region) if regions.find(unit.code) == unit)
