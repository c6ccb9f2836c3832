"""How is one real PostgreSQL server started, found ready, stopped and killed on this machine?"""

import asyncio
import contextlib
import os
import pwd
import secrets
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import asyncpg

from deploy.local import ports, postgres_home
from deploy.local.child import Child

ROLE = "heli"
POLL_SECONDS = 0.05
FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT  # PostgreSQL's own meaning of these signals
# What a new server says while workers of a killed one, or a server whose supervisor was killed, are still on their way out.
LEFT_BEHIND = ("pre-existing shared memory block", 'lock file "postmaster.pid" already exists')
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}


class PostgresNode:
    """One server on loopback with a generated password. Data, password file and port outlive a restart.

    `port` is chosen free when not given. The password stands in `<data>.password` (mode 600), beside the data folder.
    """

    def __init__(self, data: Path, port: int | None = None) -> None:
        self.data, self.port = data, port or ports.pick_one()
        self.log = data.with_name(data.name + ".log")
        self.password_file = data.with_name(data.name + ".password")
        self._child: Child | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child and self._child.running else None

    @property
    def password(self) -> str:
        if not self.password_file.exists():
            self.password_file.parent.mkdir(parents=True, exist_ok=True)
            self.password_file.touch(mode=0o600)
            self.password_file.write_text(secrets.token_urlsafe(24))
        return self.password_file.read_text().strip()

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{ROLE}:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Starts the server (the first time: makes its data folder). `wait_ready` says when it serves."""
        if self.pid:
            return
        user = postgres_home.system_user()
        programs = postgres_home.programs(user)
        data = postgres_home.data_folder(self.data, user)
        if not (data / "PG_VERSION").exists():
            self._initialise(programs, data, user)
        options = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        self._child = Child(
            [str(programs / "postgres"), "-D", str(data), "-p", str(self.port), *options],
            log=self.log,
            cwd=Path("/"),
            user=user,
            on_orphan=FAST,
        )

    async def wait_ready(self, timeout: float = 60.0) -> None:  # noqa: ASYNC109 - a plain number of seconds reads best here
        """Returns when a query is answered; raises RuntimeError if the server ended, TimeoutError if it never does."""
        await until_answers(self.url(), timeout, self._again_or_fail)

    def _again_or_fail(self) -> None:
        if self.pid:
            return
        said = self._child.tail() if self._child else "it was not started"
        if not any(text in said for text in LEFT_BEHIND):
            raise RuntimeError(f"PostgreSQL ended at its start:\n{said}\nSee {self.log}. Repair: heli doctor")
        self.start()

    async def stop(self) -> None:
        """Orderly: open transactions are rolled back, a checkpoint is written."""
        if self._child:
            await self._child.stop(FAST, patience=30)
        self._child = None

    def kill(self) -> None:
        """As a crash: SIGKILL of the postmaster. Its workers see that and end; `start` recovers from the log."""
        if self._child:
            self._child.kill()
        self._child = None

    def send_signal(self, number: signal.Signals) -> None:
        """For faults: SIGSTOP and SIGCONT of the postmaster."""
        if self._child:
            self._child.send_signal(number)

    async def ensure_databases(self, names: Iterable[str]) -> None:
        await ensure_databases(self.url(), names)

    def _initialise(self, programs: Path, data: Path, user: str | None) -> None:
        entry = pwd.getpwnam(user) if user else None
        with tempfile.NamedTemporaryFile("w", dir=data.parent if user is None else None) as password:
            password.write(self.password + "\n")
            password.flush()
            if entry:
                os.chown(password.name, entry.pw_uid, entry.pw_gid)
            command = [str(programs / "initdb"), "-D", str(data), "-U", ROLE, f"--pwfile={password.name}"]
            done = subprocess.run(
                [*command, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"],
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
                user=user,
                group=entry.pw_gid if entry else None,
                extra_groups=[] if user else None,
            )
        if done.returncode:
            raise RuntimeError(
                f"PostgreSQL's data folder {data} could not be made: {done.stderr.strip()[-400:]}\nRepair: heli reset, then heli up"
            )


async def until_answers(url: str, timeout: float, check: Callable[[], None] = lambda: None) -> None:  # noqa: ASYNC109 - as above
    """Waits until the server takes a connection; `check` may raise when waiting has become pointless."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        check()
        with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError):
            connection = await asyncpg.connect(url, timeout=5)
            await connection.close()
            return
        await asyncio.sleep(POLL_SECONDS)
    raise TimeoutError(f"PostgreSQL is not ready after {timeout:.0f} s. Repair: heli down, then heli up")


async def ensure_databases(url: str, names: Iterable[str]) -> None:
    """Creates the databases that are missing, on the server that `url` names (any database of it)."""
    connection = await asyncpg.connect(url, timeout=10)
    try:
        present = {row["datname"] for row in await connection.fetch("select datname from pg_database")}
        for name in names:
            if name not in present:
                await connection.execute(f'create database "{name}"')
    finally:
        await connection.close()
