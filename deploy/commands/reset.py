"""How does one begin again from nothing?"""

from typing import Annotated

import typer

from deploy.commands.down import stop
from deploy.demo.begin import home
from deploy.local.announce import short
from deploy.local.state import State


def reset(*, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete the local databases, topics, keys and logs. Tokens issued so far end with the signing key."""
    here = State().home
    both = {state.home: state for state in (State(home()), State())}  # the demo's folder lies within the other, or is the same
    kept = [state for state in both.values() if state.is_ours()]
    if not kept and here.exists():
        raise RuntimeError(f"{here} does not look like a folder of Heli, so nothing was deleted. Repair: check HELI_HOME")
    if not kept:
        print(f"There is nothing in {short(here)}.")
        return
    if not yes and not typer.confirm(f"Stop Heli and delete everything in {short(here)} (databases, topics, keys, logs)?"):
        raise typer.Exit(1)
    for state in kept:
        stop(state)
        state.remove()
    if here.exists() and not any(here.iterdir()):
        here.rmdir()
    print("All local data is gone. Start anew: heli up")
