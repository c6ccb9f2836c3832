"""How does one begin again from nothing?"""

from typing import Annotated

import typer

from deploy.commands.down import stop
from deploy.local.announce import short
from deploy.local.state import State


def reset(*, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete the local databases, topics, keys and logs. Tokens issued so far end with the signing key."""
    state = State()
    if not state.home.exists():
        print(f"There is nothing in {short(state.home)}.")
        return
    if not state.is_ours():
        raise RuntimeError(f"{state.home} does not look like a folder of Heli, so nothing was deleted. Repair: check HELI_HOME")
    if not yes and not typer.confirm(f"Stop Heli and delete everything in {short(state.home)} (databases, topics, keys, logs)?"):
        raise typer.Exit(1)
    stop(state)
    state.remove()
    print("All local data is gone. Start anew: heli up")
