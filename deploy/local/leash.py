"""How does a child process end when its parent is gone, whatever happened to the parent?

Run as a script (standard library only, no import of Heli), between the parent and the program. The parent holds the
write end of this script's standard input; when the parent dies, SIGKILL included, the pipe closes and the program is
stopped. PR_SET_PDEATHSIG alone would not do for the parent's side: it fires when the *thread* that forked ends.

    leash.py --pid-fd N --on-orphan SIGNAL --grace SECONDS [--user NAME] -- program arguments...
"""

import argparse
import ctypes
import os
import pwd
import select
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
POLL_SECONDS = 0.05


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pid-fd", type=int, required=True)
    parser.add_argument("--on-orphan", default="SIGKILL")
    parser.add_argument("--grace", type=float, default=3.0)
    parser.add_argument("--user")
    parser.add_argument("program", nargs=argparse.REMAINDER)
    return parser.parse_args(argv)


def launch(program: list[str], user: str | None) -> subprocess.Popen[bytes]:
    """Starts the program in a session of its own, so that Ctrl-C in a terminal reaches the supervisor alone."""
    libc = ctypes.CDLL(None, use_errno=True)  # loaded before the fork

    def die_with_the_leash() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # runs after setuid, which would clear it; this script has one thread

    group = pwd.getpwnam(user).pw_gid if user else None
    return subprocess.Popen(
        program,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        user=user,
        group=group,
        extra_groups=[] if user else None,
        preexec_fn=die_with_the_leash,  # noqa: PLW1509 - one thread, and libc is loaded
    )


def end(child: subprocess.Popen[bytes], first: signal.Signals, grace: float) -> None:
    deadline = time.monotonic() + grace
    child.send_signal(signal.SIGCONT)  # a stopped program would not hear anything milder than SIGKILL
    child.send_signal(first)
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    if child.poll() is None:
        child.kill()
        child.wait()


def watch(child: subprocess.Popen[bytes], wake: int, first: signal.Signals, grace: float) -> int:
    """Waits for the end of the program or of the parent; returns the program's exit code, 128 + N for signal N."""
    while child.poll() is None:
        readable, _, _ = select.select([0, wake], [], [], 1.0)
        if wake in readable:
            os.read(wake, 64)
        if 0 in readable and not os.read(0, 1):
            end(child, first, grace)
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def main(argv: list[str]) -> int:
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    options = parse(argv)
    child = launch(options.program[1:], options.user)  # the first one is the "--"
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # for the supervisor, which closes the pipe or signals the program;
        signal.signal(name, lambda *_: None)  # a handler and not SIG_IGN, and only now, because a JVM inherits "ignored" and obeys it
    os.write(options.pid_fd, f"{child.pid}\n".encode())
    os.close(options.pid_fd)
    return watch(child, wake_read, signal.Signals[options.on_orphan], options.grace)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
