"""How is everything started by one command, in the foreground or left running?"""

import asyncio
import subprocess
import sys
import time
from typing import Annotated

import typer

from deploy.local.announce import banner, say
from deploy.local.state import PROJECT, State
from deploy.local.supervisor import Stack, run_until_stopped

PATIENCE_SECONDS = 600  # the first start fetches Kafka
POLL_SECONDS = 0.1


def up(*, detach: Annotated[bool, typer.Option("--detach", help="Return once it is ready; `heli down` stops it.")] = False) -> None:
    """Start PostgreSQL, Kafka, the four services and their common address."""
    state = State()
    if pid := state.supervisor():
        print(f"Heli runs already (pid {pid}).")
        print(banner(state))
        return
    if detach:
        _detached(state)
    else:
        _foreground(state)


def _foreground(state: State) -> None:
    print("Starting Heli", flush=True)
    wrong = asyncio.run(run_until_stopped(Stack(state, say=say), lambda: print(banner(state), flush=True)))
    if wrong:
        raise RuntimeError(wrong)
    print("Heli is stopped. Data stays; `heli up` goes on with it.")


def _detached(state: State) -> None:
    state.prepare()
    log = state.logs / "supervisor.log"
    with log.open("wb") as output:
        program = [sys.executable, "-m", "deploy.cli", "up"]
        process = subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=PROJECT, start_new_session=True)
    end = time.monotonic() + PATIENCE_SECONDS
    with log.open(errors="replace") as told:
        while state.running() is None:
            sys.stdout.write(told.read())
            sys.stdout.flush()
            if process.poll() is not None:
                sys.stdout.write(told.read())
                raise typer.Exit(1)
            if time.monotonic() > end:
                process.terminate()
                raise TimeoutError(f"Heli is not ready after {PATIENCE_SECONDS} s; see {log}. Repair: heli doctor")
            time.sleep(POLL_SECONDS)
    print(banner(state))
