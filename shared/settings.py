"""Which settings does a process take from its environment?"""

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a service may be told. Periods of law are never settings: they are rules with a source."""

    service: str
    database_url: str
    kafka: str
    port: int = 0
    host: str = "127.0.0.1"
    public_url: str = "http://127.0.0.1"
    jwks: Path = Path("jwks.json")
    child_key: bytes = b""
    link_key: str = ""
    directory: Path | None = None
    rules: Path | None = None
    webhook_networks: tuple[IPv4Network | IPv6Network, ...] = ()
    heartbeat_url: str = ""
    heartbeat_seconds: float = 30.0
    audit_seconds: float = 10.0
    retry_schedule: tuple[float, ...] = (2, 10, 60, 300, 1800, 3600, 7200, 14400, 28800, 43200)
    pool_size: int = 8


def need(name: str, service: str) -> str:
    if value := os.environ.get(name):
        return value
    raise SystemExit(f"services.{service}: the environment variable {name} is missing. `heli up` sets it; see deploy/env.example.")


def from_environment(service: str) -> Settings:
    """Reads the process environment; raises SystemExit naming the variable that is missing or wrong."""
    directory, rules, schedule = (os.environ.get(f"HELI_{name}") for name in ("DIRECTORY", "RULES", "RETRY_SCHEDULE"))
    try:
        return Settings(
            service=service,
            database_url=need("DATABASE_URL", service),
            kafka=need("KAFKA_BOOTSTRAP_SERVERS", service),
            port=int(need("HELI_PORT", service)),
            host=os.environ.get("HELI_HOST", "127.0.0.1"),
            public_url=os.environ.get("HELI_PUBLIC_URL", "http://127.0.0.1").rstrip("/"),
            jwks=Path(need("HELI_JWKS", service)),
            child_key=os.environ.get("HELI_CHILD_KEY", "").encode(),
            link_key=os.environ.get("HELI_LINK_KEY", ""),
            directory=Path(directory) if directory else None,
            rules=Path(rules) if rules else None,
            webhook_networks=tuple(ip_network(text) for text in os.environ.get("HELI_WEBHOOK_NETWORKS", "").split(",") if text),
            heartbeat_url=os.environ.get("HELI_HEARTBEAT_URL", ""),
            heartbeat_seconds=float(os.environ.get("HELI_HEARTBEAT_SECONDS", "30")),
            audit_seconds=float(os.environ.get("HELI_AUDIT_SECONDS", "10")),
            retry_schedule=tuple(float(s) for s in schedule.split(",")) if schedule else Settings.__struct_defaults__[-2],
        )
    except ValueError as reason:
        raise SystemExit(f"services.{service}: a setting has the wrong form: {reason}") from reason
