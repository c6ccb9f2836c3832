"""Which loopback ports are free, and who holds one that is not?"""

import random
import socket
from pathlib import Path

# Below the range from which the system takes the local ends of outgoing connections (32768 and up on Linux):
# a port kept for the life of a data folder must not be lent to a client in between.
FIRST, LAST = 20000, 32000
LISTENING = "0A"


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


_given: set[int] = set()
"""By this process. A port is taken when its program starts, which may be long after it was picked, and looks free till then."""


def pick(count: int) -> list[int]:
    """So many free ports, all different, and none that was picked before."""
    chosen: list[int] = []
    for port in random.SystemRandom().sample(range(FIRST, LAST), LAST - FIRST):
        if len(chosen) == count:
            break
        if port not in _given and is_free(port):
            chosen.append(port)
    _given.update(chosen)
    return chosen


def pick_one() -> int:
    return pick(1)[0]


def owner(port: int) -> str:
    """Who listens there, in words: `program (pid 12)`, or `another user's program` where /proc hides it."""
    inodes = _listening_inodes(port)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(handle.readlink()) in inodes for handle in (process / "fd").iterdir()):
                words = (process / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ").strip()
                return f"{words[:80]} (pid {process.name})"
        except OSError:
            continue  # ended meanwhile, or not ours to look into
    return "another user's program" if inodes else "nobody now"


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and int(fields[1].rsplit(":", 1)[1], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found
