"""How is one real Kafka broker started, found ready, stopped and killed on this machine?"""

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient

from deploy.local import java, kafka_jars
from deploy.local.child import Child

POLL_SECONDS = 0.05
QUICK_START = ("-XX:TieredStopAtLevel=1",)  # left out by benchmarks: the best compiler pays only in the long run
FLAGS = ("-XX:+UseSerialGC", "-Xms64m", "-Xmx512m", "-Xss512k")
LOGGING = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")

# With the default session time-out (9 s) a broker restarted after kill -9 refuses work for 11 s; with 1 s it takes 1.9 s.
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{control}
controller.listener.names=CONTROLLER
inter.broker.listener.name=INTERNAL
listeners=CONTROLLER://127.0.0.1:{control},INTERNAL://127.0.0.1:{port}
advertised.listeners=INTERNAL://127.0.0.1:{port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT
log.dirs={logs}
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=1000
broker.heartbeat.interval.ms=200
num.network.threads=2
num.io.threads=2
background.threads=2
log.cleaner.dedupe.buffer.size=16777216
log.segment.bytes=16777216
log.retention.hours=24
"""


class KafkaNode:
    """One broker on loopback. `ports` are (clients, controller); they and the data folder outlive a restart."""

    def __init__(self, data: Path, ports: tuple[int, int], *, full_jit: bool = False) -> None:
        self.data, self.ports = data, ports
        self.bootstrap = f"127.0.0.1:{ports[0]}"
        self.log = data / "kafka.log"
        self._flags = FLAGS if full_jit else (*QUICK_START, *FLAGS)
        self._child: Child | None = None
        self._draft: Path | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child and self._child.running else None

    def start(self) -> None:
        """Starts the JVM (the first time: fetches the jars, formats the folder). `wait_ready` says when it serves."""
        if self.pid:
            return
        lib = kafka_jars.find()
        program, version = java.find()
        # An older broker cannot open a newer one's data: the version stands in the path.
        logs = self.data / f"kafka-{kafka_jars.VERSION}"
        settings = self.data / "server.properties"
        self.data.mkdir(parents=True, exist_ok=True)
        settings.write_text(self.properties(logs))
        classes = ":".join(str(jar) for jar in sorted(lib.glob("*.jar")))  # AppCDS needs one fixed order
        if not (logs / "meta.properties").exists():
            _format(program, classes, settings, logs)
        archive = self._archive(lib.parent, version)
        self._child = Child([program, *self._flags, *archive, *LOGGING, "-cp", classes, "kafka.Kafka", str(settings)], log=self.log)

    async def wait_ready(self, timeout: float = 60.0) -> None:  # noqa: ASYNC109 - a plain number of seconds reads best here
        """Returns when the broker answers as a cluster of one; raises RuntimeError if it ended, TimeoutError if it never does."""
        await until_answers(self.ports[0], timeout, self._fail_if_ended)

    def _fail_if_ended(self) -> None:
        if not self.pid:
            raise RuntimeError(
                f"Kafka ended at its start:\n{self._child.tail() if self._child else ''}\nSee {self.log}. Repair: heli doctor"
            )

    def properties(self, logs: Path) -> str:
        """The content of `server.properties`; of a setting that stands twice the last one counts."""
        return SETTINGS.format(port=self.ports[0], control=self.ports[1], logs=logs)

    async def stop(self) -> None:
        if self._child is None:
            return
        await self._child.stop()
        if self._draft and self._draft.exists():
            self._draft.rename(self._draft.with_suffix(".jsa"))
        self._child, self._draft = None, None

    def kill(self) -> None:
        """As a power cut for the process: SIGKILL. `start` brings it back with the same ports and data."""
        if self._child:
            self._child.kill()
        self._child = None

    def send_signal(self, number: signal.Signals) -> None:
        """For faults: SIGSTOP and SIGCONT."""
        if self._child:
            self._child.send_signal(number)

    def _archive(self, home: Path, version: str) -> list[str]:
        """Class-data sharing halves the start. The first orderly stop writes the archive, one per Java version."""
        archive = home / f"classes-{version}.jsa"
        if archive.exists():
            return [f"-XX:SharedArchiveFile={archive}"]
        self._draft = archive.with_suffix(f".{os.getpid()}-{self.ports[0]}")
        return [f"-XX:ArchiveClassesAtExit={self._draft}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]


async def until_answers(
    port: int,
    timeout: float,  # noqa: ASYNC109 - as above
    check: Callable[[], None] = lambda: None,
    *,
    host: str = "127.0.0.1",
) -> None:
    """Waits for a broker on a port; `check` may raise when waiting has become pointless."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        check()
        if await _answers(host, port):
            return
        await asyncio.sleep(POLL_SECONDS)
    raise TimeoutError(f"Kafka on port {port} is not ready after {timeout:.0f} s. Repair: heli down, then heli up")


async def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 0.2).close()  # spares aiokafka's log lines while nobody listens
    except OSError:
        return False
    log = logging.getLogger("aiokafka")
    level = log.level
    log.setLevel(logging.CRITICAL)  # behind Docker's proxy the port is open long before the broker answers
    admin = AIOKafkaAdminClient(bootstrap_servers=f"{host}:{port}", request_timeout_ms=1000)
    try:
        await admin.start()
        cluster = await admin.describe_cluster()
    except Exception:  # noqa: BLE001 - a broker that is starting fails in many ways; all of them mean "not yet"
        return False
    finally:
        with contextlib.suppress(Exception):
            await admin.close()
        log.setLevel(level)
    return bool(cluster["brokers"]) and cluster["controller_id"] >= 0


def _format(program: str, classes: str, settings: Path, logs: Path) -> None:
    shutil.rmtree(logs, ignore_errors=True)  # what a broken format left
    tool = [program, *QUICK_START, *FLAGS, *LOGGING, "-cp", classes, "kafka.tools.StorageTool"]
    # The id is 16 bytes in URL-safe base 64, without a leading "-"; one made by the tool itself costs another JVM start.
    cluster = secrets.token_urlsafe(16).replace("-", "A")
    done = subprocess.run(
        [*tool, "format", "-t", cluster, "-c", str(settings), "--standalone"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"Kafka's data folder {logs} could not be formatted: {done.stderr.strip()[-400:]}\nRepair: heli doctor")
