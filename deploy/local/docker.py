"""How do Kafka and PostgreSQL run in containers, where there is no Maven or where a test asks for it? Through testcontainers."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from typing import Any

from deploy.local import kafka

KAFKA_PORT = 9093
POSTGRES_PORT = 5432
STOP_SECONDS = 5
KAFKA_SETTINGS = {
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_BROKER_SESSION_TIMEOUT_MS": "1000",
    "KAFKA_BROKER_HEARTBEAT_INTERVAL_MS": "200",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_DEFAULT_REPLICATION_FACTOR": "1",
}


def kafka_image() -> str:
    """`HELI_KAFKA_IMAGE` names another image of Confluent's layout."""
    return os.environ.get("HELI_KAFKA_IMAGE", "confluentinc/cp-kafka:7.6.0")


def postgres_image() -> str:
    """`HELI_POSTGRES_IMAGE` names another image of the official layout; 18 is what the wheel brings too."""
    return os.environ.get("HELI_POSTGRES_IMAGE", "postgres:18")


def answers() -> bool:
    """Whether an engine can be talked to now."""
    if not shutil.which("docker") and not os.environ.get("DOCKER_HOST"):
        return False
    try:
        return subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=20).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


class Container:
    """One container on loopback with a fixed port. The engine's reaper removes it when this process is gone."""

    def __init__(self, container: Any, inside: int, port: int) -> None:
        container.ports[str(inside)] = ("127.0.0.1", port)
        self._container = container
        self._made = False
        self.port = port

    def start(self) -> None:
        if self._made:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._made = True

    async def stop(self) -> None:
        """Orderly; what it stored stays for the next `start`."""
        if self._made:
            await asyncio.to_thread(self._container.get_wrapped_container().stop, timeout=STOP_SECONDS)

    async def remove(self) -> None:
        """The container and what it stored are gone."""
        if self._made:
            await asyncio.to_thread(self._container.stop)
        self._made = False

    def _fail_if_ended(self) -> None:
        wrapped = self._container.get_wrapped_container()
        wrapped.reload()
        if wrapped.status == "exited":
            said = wrapped.logs(tail=10).decode(errors="replace")
            raise RuntimeError(f"The container of {self._container.image} ended:\n{said}\nRepair: docker info; heli doctor")

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: signal.Signals) -> None:
        if self._made:
            with contextlib.suppress(Exception):  # it is down already
                self._container.get_wrapped_container().kill(number.name)


class DockerKafka(Container):
    """Same face as `KafkaNode`."""

    def __init__(self, port: int) -> None:
        kafka_module = _testcontainers("kafka")
        container = kafka_module.KafkaContainer(kafka_image(), port=KAFKA_PORT).with_kraft()
        container.with_envs(**KAFKA_SETTINGS)
        super().__init__(container, KAFKA_PORT, port)
        self.bootstrap = f"127.0.0.1:{port}"

    async def wait_ready(self, timeout: float = 60.0) -> None:  # noqa: ASYNC109 - same face as KafkaNode
        await kafka.until_answers(self.port, timeout, self._fail_if_ended)


class DockerPostgres(Container):
    """Same face as `PostgresNode`."""

    def __init__(self, port: int, password: str) -> None:
        postgres_module = _testcontainers("postgres")
        container = postgres_module.PostgresContainer(postgres_image(), username="heli", password=password, dbname="postgres", driver=None)
        container.with_command("postgres -c max_connections=200 -c timezone=UTC")
        super().__init__(container, POSTGRES_PORT, port)
        self._password = password

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://heli:{self._password}@127.0.0.1:{self.port}/{database}"

    async def wait_ready(self, timeout: float = 60.0) -> None:  # noqa: ASYNC109 - same face as PostgresNode
        from deploy.local.postgres import until_answers

        await until_answers(self.url(), timeout, self._fail_if_ended)


def _testcontainers(part: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"testcontainers.community.{part}")
    except ImportError as reason:
        raise RuntimeError("Docker is driven through testcontainers, which is not installed. Repair: make test-tools") from reason
