"""What does a person need to know once everything runs? Where it is, and what to type next."""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.state import AUDITOR, State


def lines(state: State) -> list[tuple[str, str]]:
    """Aligned pairs for the banner; needs a published run."""
    running = state.running() or {}
    database = urlsplit(running.get("database", ""))
    return [
        ("URL", f"{state.url}  (/intake /referral /guardianship /notification)"),
        ("auditor", f"http://127.0.0.1:{state.ports[AUDITOR]}/auditor/ready  (/auditor/metrics: deadlines that were not fired)"),
        ("Kafka", running.get("bootstrap", "not running")),
        ("PostgreSQL", f"{database.hostname}:{database.port}, user {database.username}, databases heli_intake, heli_referral, ..."),
        ("data", short(state.home)),
        ("logs", short(state.logs)),
        ("bearers", f"{short(state.env_file)}  (HELI_URL, HELI_SCHOOL, HELI_POLICE, HELI_OPERATOR)"),
    ]


def banner(state: State) -> str:
    rows = lines(state)
    width = max(len(name) for name, _ in rows) + 2
    text = "\n".join(f"  {name:<{width}}{value}" for name, value in rows)
    following = f". {short(state.env_file)}; heli report post deploy/sample/alone.json --key k1"
    return f"\nHeli is ready (one machine, loopback only, not for production).\n\n{text}\n\n  next:  {following}\n"


def short(path: Path) -> str:
    """As one would type it here."""
    try:
        return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
    except FileNotFoundError:
        return str(path)


def say(stage: str) -> None:
    print(f"  {stage}", flush=True)


def is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()
