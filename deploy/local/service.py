"""How does one of our own processes stay up? Started, probed until ready, restarted with back-off, given up in time."""

import asyncio
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from deploy.local.child import Child

DEATHS, WINDOW_SECONDS = 5, 60.0
BACKOFF_SECONDS = (0.1, 0.5, 1.0, 2.0)
POLL_SECONDS = 0.05
LOG_LINES = 20
PROBE_SECONDS = 2.0
KEEP_LOG_BYTES = 20_000_000


class GivenUp(RuntimeError):  # noqa: N818 - it is what the supervisor does
    """A service died again and again; the text ends with the last lines of its log."""


class Service:
    """One supervised process. `ready_url` answers 200 once it serves; None = it is ready as soon as it runs."""

    def __init__(self, name: str, program: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path, ready_url: str | None) -> None:
        self.name, self.log = name, log
        self._program, self._env, self._cwd, self._ready_url = program, env, cwd, ready_url
        self._child: Child | None = None
        self._wanted = False
        self._deaths: deque[float] = deque(maxlen=DEATHS)

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child and self._child.running else None

    @property
    def code(self) -> int | None:
        """How it ended last; None while it runs or before its first start."""
        return self._child.poll() if self._child else None

    def start(self) -> None:
        """Starts the process and wants it to run from now on."""
        self._wanted = True
        if not self.pid:
            self._keep_log_short()
            self._child = Child(self._program, log=self.log, env=self._env, cwd=self._cwd)

    async def wait_ready(self, timeout: float = 60.0) -> None:  # noqa: ASYNC109 - a plain number of seconds reads best here
        """Raises GivenUp if the process ended, TimeoutError if it does not get ready."""
        end = time.monotonic() + timeout
        while not await self.is_ready():
            if not self.pid:
                raise GivenUp(f"{self.name} ended at its start:\n{self._tail()}\nThe whole log: {self.log}")
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name} is not ready after {timeout:.0f} s:\n{self._tail()}\nThe whole log: {self.log}")
            await asyncio.sleep(POLL_SECONDS)

    async def is_ready(self) -> bool:
        if self._ready_url is None:
            return self.pid is not None
        return await answers_ok(self._ready_url)

    async def stop(self) -> None:
        self._wanted = False
        if self._child:
            await self._child.stop()

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """On purpose: after a SIGKILL or SIGTERM it stays down until `start`. SIGSTOP and SIGCONT freeze and thaw it."""
        if self._child is None:
            return
        if number in {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}:
            self._wanted = False
        if number == signal.SIGKILL:
            self._child.kill()
        else:
            self._child.send_signal(number)

    async def keep_up(self, say: Callable[[str], None]) -> None:
        """Restarts what dies unasked, until cancelled; raises GivenUp after 5 deaths within a minute."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if not self._wanted or self.pid:
                continue
            code = self._child.poll() if self._child else None
            self._deaths.append(time.monotonic())
            recent = sum(1 for death in self._deaths if death > time.monotonic() - WINDOW_SECONDS)
            if recent >= DEATHS:
                raise GivenUp(
                    f"{self.name} died {DEATHS} times within a minute, last with code {code}:\n{self._tail()}\nThe whole log: {self.log}"
                )
            say(f"{self.name} ended with code {code}; starting it again")
            await asyncio.sleep(BACKOFF_SECONDS[min(recent, len(BACKOFF_SECONDS)) - 1])
            if self._wanted:
                self.start()

    def _tail(self) -> str:
        return self._child.tail(LOG_LINES) if self._child else ""

    def _keep_log_short(self) -> None:
        if self.log.exists() and self.log.stat().st_size > KEEP_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".old.log"))


async def answers_ok(url: str) -> bool:
    """One GET over plain HTTP; no client library, whose TLS set-up would cost more than a whole start should."""
    parts = urlsplit(url)
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            try:
                writer.write(request.encode())
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
