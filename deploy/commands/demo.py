"""How does one see in a minute that the main job works here?"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from deploy.demo.run import Options, until_stopped


def demo(
    *,
    reports: Annotated[int | None, typer.Option(min=1, help="Only the first so many of the sample's 200 reports.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the counts and the verdict there.")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="Do not stay up in a terminal.")] = False,
) -> None:
    """Start everything, carry the sample's reports to simulated partners, print a verdict. Exit code 1 when it is not ok."""
    if json and not json.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {json.parent} to write {json.name} into", param_hint="--json")
    print("Starting Heli for a demo", flush=True)
    try:
        ok = asyncio.run(until_stopped(Options(reports, json, stop)))
    except asyncio.CancelledError:
        print("The demo was stopped before its verdict.")
        raise typer.Exit(130) from None
    except ExceptionGroup as group:
        raise RuntimeError(
            f"The demo broke off before its verdict: {group.exceptions[0]!r}. Repair: look into the logs it named"
        ) from group
    if not ok:
        raise typer.Exit(1)
