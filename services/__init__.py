"""Which processes carry a report? Four services that meet only through events."""
