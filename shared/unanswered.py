"""Does an error say that the other side did not answer? httpx's own do, and one that is not among them."""

import httpx

LIBRARIES = ("anyio", "httpcore", "uvloop")


def unanswered(error: BaseException) -> bool:
    """Trap: under uvloop a connection that is reset the moment it is made has no socket left, and AttributeError is what httpcore makes of it."""
    return isinstance(error, httpx.HTTPError) or (isinstance(error, AttributeError) and _raised_in(error) in LIBRARIES)


def _raised_in(error: BaseException) -> str:
    trace, name = error.__traceback__, ""
    while trace is not None:
        name, trace = str(trace.tb_frame.f_globals.get("__name__", "")), trace.tb_next
    return name.split(".")[0]
