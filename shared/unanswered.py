"""Which errors say that the other side did not answer? httpx's own, and one that is not among them."""

import httpx

UNANSWERED = (httpx.HTTPError, AttributeError)
"""Trap: under uvloop a connection that is reset the moment it is made has no socket left, and httpcore asks that for its peer's name."""
