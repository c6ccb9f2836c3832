"""How is a program run so that it can be killed on purpose, but never outlives us by accident?"""

import asyncio
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

LEASH = Path(__file__).with_name("leash.py")
POLL_SECONDS = 0.02


class Child:
    """One running program on a leash (`leash.py`). `pid` is the program's own, not the leash's."""

    def __init__(
        self,
        program: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        user: str | None = None,
        on_orphan: signal.Signals = signal.SIGKILL,
    ) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self.name, self.log = Path(program[0]).name, log
        self._log_start = log.stat().st_size if log.exists() else 0
        read, write = os.pipe()
        options = ["--pid-fd", str(write), "--on-orphan", on_orphan.name, *(["--user", user] if user else [])]
        with log.open("ab") as output:
            self._leash = subprocess.Popen(
                [sys.executable, "-I", "-S", str(LEASH), *options, "--", *program],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=dict(env) if env is not None else None,
                cwd=cwd,
                pass_fds=(write,),
                start_new_session=True,
            )
        os.close(write)
        with os.fdopen(read) as pipe:
            line = pipe.readline()
        if not line:
            self._leash.wait()
            self._close()
            raise RuntimeError(f"{self.name} could not be started. {self.tail(3)}\nRepair: heli doctor")
        self.pid = int(line)

    def poll(self) -> int | None:
        """The exit code (128 + N when signal N ended it), or None while it runs."""
        code = self._leash.poll()
        if code is not None:
            self._close()
        return code

    @property
    def running(self) -> bool:
        return self.poll() is None

    def send_signal(self, number: signal.Signals) -> None:
        if self.running:
            os.kill(self.pid, number)

    async def ended(self, timeout: float | None = None) -> int:  # noqa: ASYNC109 - a plain number of seconds reads best here
        """Waits for the end; raises TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while (code := self.poll()) is None:  # noqa: ASYNC110 - another process's end rings no event of ours
                await asyncio.sleep(POLL_SECONDS)
        return code

    async def stop(self, number: signal.Signals = signal.SIGTERM, patience: float = 10.0) -> int:
        """Asks with a signal, then insists: about one Kafka stop in a hundred hangs after SIGTERM."""
        self.send_signal(number)
        try:
            return await self.ended(patience)
        except TimeoutError:
            return self.kill()

    def kill(self) -> int:
        """SIGKILL, and the program is gone when this returns."""
        self.send_signal(signal.SIGKILL)
        code = self._leash.wait()
        self._close()
        return code

    def tail(self, lines: int = 20) -> str:
        """The last lines that this run wrote into its log, for an error text."""
        with self.log.open(errors="replace") as file:
            file.seek(self._log_start)
            return "".join(deque(file, lines)).rstrip()

    def _close(self) -> None:
        if self._leash.stdin and not self._leash.stdin.closed:
            self._leash.stdin.close()
