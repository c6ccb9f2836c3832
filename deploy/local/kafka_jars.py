"""Where do the jars of the local Kafka come from, and are they the ones we know?"""

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from deploy.local import cache

VERSION = "4.4.0"
HERE = Path(__file__).with_name("kafka")
POM = HERE / "pom.xml"
HASHES = HERE / "kafka.sha256"


def have_maven() -> bool:
    return shutil.which("mvn") is not None


def present() -> bool:
    return (cache.folder() / f"kafka-{VERSION}").exists()


def find() -> Path:
    """The folder of the jars, fetched through Maven on first use and checked against `kafka.sha256` every time."""
    home = cache.build_once(f"kafka-{VERSION}", _fetch)
    if wrong := differences(home / "lib"):
        raise RuntimeError(f"The cached Kafka jars are not the known ones ({', '.join(wrong[:3])}). Repair: rm -r {home}")
    return home / "lib"


def differences(lib: Path) -> list[str]:
    """Names of jars that are missing, unknown or changed."""
    known = {name: digest for digest, name in (line.split() for line in HASHES.read_text().splitlines())}
    found = {jar.name: jar for jar in lib.glob("*.jar")}
    wrong = set(known) ^ set(found)
    for name in set(known) & set(found):
        with found[name].open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != known[name]:
                wrong.add(name)
    return sorted(wrong)


def _fetch(home: Path) -> None:
    if not have_maven():
        raise RuntimeError("Kafka's jars are fetched through Maven, and there is none. Repair: apt-get install maven, or start Docker")
    # -C makes a checksum mismatch fatal; -q still prints ANSI resets, so the output is shown only on failure
    goal = ["mvn", "-q", "-B", "-ntp", "-C", "-f", str(POM), "dependency:copy-dependencies"]
    # Maven's output goes to a temporary file: a full pipe would stop it
    with tempfile.TemporaryFile("w+") as output:
        code = subprocess.run(
            [*goal, "-DincludeScope=runtime", f"-DoutputDirectory={home / 'lib'}"], stdout=output, stderr=output, check=False
        ).returncode
        output.seek(0)
        said = output.read()
    if code:
        raise RuntimeError(
            f"Maven could not fetch Kafka {VERSION}:\n{said.strip()[-800:]}\nRepair: mvn -version, the network, ~/.m2/settings.xml"
        )
    if wrong := differences(home / "lib"):
        raise RuntimeError(
            f"Maven delivered other jars than {HASHES.name} knows ({', '.join(wrong[:3])}). Repair: rm -r ~/.m2/repository/org/apache/kafka"
        )
