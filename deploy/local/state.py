"""What does this machine's Heli keep between two starts, and where? The folder `.heli/`: ports, secrets, keys, data, logs."""

import fcntl
import json
import os
import secrets
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy import keys
from deploy.local import ports, postgres_home

SERVICES = ("intake", "referral", "guardianship", "notification")
AUDITOR = "auditor"
PORT_NAMES = ("edge", "postgres", "kafka", "kafka_control", *SERVICES, AUDITOR)
CLAIM_ATTEMPTS, CLAIM_PAUSE_SECONDS = 10, 0.03
PROJECT = Path(__file__).parents[2]


class State:
    """The folder and everything in it. Making the object touches nothing; `prepare` does."""

    def __init__(self, home: Path | None = None) -> None:
        self.home = (home or Path(os.environ.get("HELI_HOME") or PROJECT / ".heli")).absolute()
        self.logs = self.home / "logs"
        self.postgres = self.home / "postgres"
        self.kafka = self.home / "kafka"
        self.signing_key = self.home / "signing.pem"
        self.jwks = self.home / "jwks.json"
        self.env_file = self.home / "env"
        self.pid_file = self.home / "supervisor.pid"
        self.running_file = self.home / "running.json"
        self.ports_file = self.home / "ports.json"
        self.directory_file = self.home / "directory.yaml"
        self._claim: int | None = None

    def prepare(self) -> None:
        """Makes what is missing: the folder (mode 700 unless it exists), ports, secrets, the signing key and its JWKS file."""
        if not self.home.exists():
            self.home.mkdir(parents=True, mode=0o755 if os.geteuid() == 0 else 0o700)  # root's PostgreSQL user must pass
        self.logs.mkdir(exist_ok=True)
        for name in ("child.key", "link.key"):
            self._once(name, lambda: secrets.token_hex(32).encode())
        self._once(self.signing_key.name, keys.new_signing_key)
        keys.write_jwks(self.jwks, keys.read_signing_key(self.signing_key))
        self._choose_ports()

    def _choose_ports(self) -> None:
        """Once for each name: a folder from before a part existed keeps what it has."""
        known: dict[str, int] = json.loads(self.ports_file.read_text()) if self.ports_file.exists() else {}
        if missing := [name for name in PORT_NAMES if name not in known]:
            self.ports_file.write_text(json.dumps(known | dict(zip(missing, ports.pick(len(missing)), strict=True)), indent=1))

    @property
    def ports(self) -> dict[str, int]:
        """Chosen free once and kept: clients, tokens in notices and Kafka's own data remember them."""
        try:
            found: dict[str, int] = json.loads(self.ports_file.read_text())
        except FileNotFoundError as reason:
            raise FileNotFoundError(f"Nothing was ever started in {self.home}. Repair: heli up") from reason
        return found

    @property
    def url(self) -> str:
        """Where everything is reached: the edge."""
        return f"http://127.0.0.1:{self.ports['edge']}"

    @property
    def child_key(self) -> str:
        """Hex text: the HMAC key from which a child's id is made. Lost, the same child gets another id."""
        return (self.home / "child.key").read_text()

    @property
    def link_key(self) -> str:
        """Hex text: signs the one-tap links."""
        return (self.home / "link.key").read_text()

    def token(self, claims: keys.Claims) -> str:
        return keys.issue(keys.read_signing_key(self.signing_key), claims)

    def write_env(self, values: Mapping[str, str]) -> None:
        """A file for `. .heli/env`: it holds bearers, so nobody else may read it."""
        # The command `heli` itself must be found too, in a shell that never activated the environment.
        text = f'export PATH={shlex.quote(str(Path(sys.executable).parent))}:"$PATH"\n'
        text += "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())
        self._private(self.env_file, text.encode())

    def is_ours(self) -> bool:
        """Whether this folder was made by `prepare`: asked before anything is deleted."""
        return self.ports_file.exists() and self.signing_key.exists()

    def remove(self) -> None:
        """Deletes everything, PostgreSQL's data outside the folder included."""
        postgres_home.remove(self.postgres)
        shutil.rmtree(self.home)

    def claim(self) -> None:
        """Takes the folder for this process: two stacks on one folder would spoil its data. Ends by itself with the process."""
        handle = os.open(self.pid_file, os.O_RDWR | os.O_CREAT, 0o644)
        for attempt in range(CLAIM_ATTEMPTS):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as reason:  # or `supervisor`, in another process, is only looking
                if attempt == CLAIM_ATTEMPTS - 1:
                    os.close(handle)
                    raise RuntimeError(f"Heli runs already in {self.home} (pid {self.supervisor()}). Repair: heli down") from reason
                time.sleep(CLAIM_PAUSE_SECONDS)
        os.pwrite(handle, f"{os.getpid():<12}".encode(), 0)  # of one length, so that no reader meets an empty file
        self._claim = handle

    def release(self) -> None:
        if self._claim is None:
            return
        self.running_file.unlink(missing_ok=True)
        os.close(self._claim)
        self._claim = None

    def supervisor(self) -> int | None:
        """The pid of the process that holds the folder, or None. Asked of the lock: a pid in a file may be anybody's by now."""
        try:
            with self.pid_file.open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    text = file.read().strip()
                    return int(text) if text else None  # locked for the first time a moment ago
        except FileNotFoundError:
            pass
        return None

    def publish(self, bootstrap: str, database: str) -> None:
        """Tells other commands where the servers of this run are. Mode 600: the address holds the password."""
        self._private(self.running_file, json.dumps({"pid": str(os.getpid()), "bootstrap": bootstrap, "database": database}).encode())

    def running(self) -> dict[str, str] | None:
        """What `publish` told, while that run lasts."""
        if not self.running_file.exists():
            return None
        found: dict[str, str] = json.loads(self.running_file.read_text())
        return found if found["pid"] == str(self.supervisor()) else None  # a killed supervisor leaves its file behind

    def _once(self, name: str, make: Callable[[], bytes]) -> None:
        path = self.home / name
        if not path.exists():
            self._private(path, make())

    @staticmethod
    def _private(path: Path, content: bytes) -> None:
        """A whole file that only its owner may read, from its first byte on."""
        draft = path.with_name(f".{path.name}.draft")
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_bytes(content)
        draft.replace(path)
