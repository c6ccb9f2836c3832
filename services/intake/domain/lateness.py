"""From when on is a report late? The law says at once and gives no number; the county does."""

from datetime import timedelta

WITH_SITUATION, GROUPS_ALONE = timedelta(hours=2), timedelta(hours=24)
"""From seen to received. Basis local: the county's parameters beside R01 to R13, and beside R05, of the rules; a caller may ask by another."""
