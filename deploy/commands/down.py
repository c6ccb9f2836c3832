"""How is a running stack stopped from another terminal?"""

import os
import signal
import time

from deploy.demo.begin import home
from deploy.local.state import State

PATIENCE_SECONDS = 60
POLL_SECONDS = 0.1


def down() -> None:
    """Stop what `heli up` (or a demo that stayed up) started. Data stays."""
    stopped = [stop(state) for state in (State(home()), State())]
    print("Heli is stopped." if any(stopped) else "Heli was not running.")


def stop(state: State) -> bool:
    """False if nothing ran. A supervisor that does not obey in time is killed; its children end with it."""
    pid = state.supervisor()
    if pid is None:
        return False
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + PATIENCE_SECONDS
    while state.supervisor() == pid:
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            end += PATIENCE_SECONDS
        time.sleep(POLL_SECONDS)
    return True
