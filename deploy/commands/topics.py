"""How are the topics made on a given cluster?"""

import asyncio
import os
from typing import Annotated

import typer

from deploy import topics
from deploy.local import directory
from deploy.local.state import State

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="The Kafka topics of topics.yaml.")


@app.callback()
def callback() -> None:
    """Without this a Typer object with one command would swallow the command's name."""


@app.command()
def apply(
    agency: Annotated[list[str] | None, typer.Option(help="Code of an agency that gets its two topics; again for more.")] = None,
) -> None:
    """Create what is missing: our own topics, and the pairs of the agencies named here or in the directory file."""
    running = State().running()
    bootstrap = os.environ.get("KAFKA_BOOTSTRAP_SERVERS") or (running["bootstrap"] if running else None)
    if not bootstrap:
        raise RuntimeError("No Kafka is known. Repair: heli up, or set KAFKA_BOOTSTRAP_SERVERS")
    codes = agency or [entry["code"] for entry in directory.agencies(directory.path())]
    made = asyncio.run(topics.apply(bootstrap, codes))
    for name in made:
        print(f"created {name}")
    print(f"{len(topics.declared(codes))} topics are there." if not made else f"{len(made)} created.")
