"""Which agencies does the local directory file name, and which of them get a ready-made key?"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from deploy.keys import REGION_DIGITS, Claims

SAMPLE = Path(__file__).parents[1] / "sample" / "directory.yaml"
HARBIN = "230100000000"
MOST_TOPICS = 200
"""Agencies that get their two topics unasked. A local broker is no home for thousands; who wants a feed there asks for it."""
SCHOOL = Claims(kind="reporter", party="school-demo", region=HARBIN, reporter_kind="school")


def path() -> Path:
    """`HELI_DIRECTORY`, else the sample."""
    return Path(os.environ.get("HELI_DIRECTORY") or SAMPLE)


def agencies(file: Path) -> list[dict[str, Any]]:
    """The entries of the file as they stand there (`code`, `department`, `region` ...); referral is the one that judges them."""
    try:
        entries: list[dict[str, Any]] = msgspec.yaml.decode(file.read_bytes())["agencies"]
    except (OSError, msgspec.DecodeError, KeyError, TypeError) as reason:
        raise RuntimeError(
            f"The agency directory {file} cannot be read: {reason}\nRepair: unset HELI_DIRECTORY, or point it at a file"
        ) from reason
    return [{**entry, "code": str(entry["code"])} for entry in entries]


def with_topics(entries: list[dict[str, Any]]) -> list[str]:
    """The codes of those that get topics at the start: all of them, or none of very many (`heli topics apply --agency CODE`)."""
    return [entry["code"] for entry in entries] if len(entries) <= MOST_TOPICS else []


def ready_made(entries: Iterable[dict[str, Any]]) -> dict[str, Claims]:
    """The holders of the bearers in `.heli/env`: a school, a police agency, an operator."""
    police = [entry for entry in entries if entry["department"] == "police"]
    found = {"HELI_SCHOOL": SCHOOL, "HELI_OPERATOR": Claims(kind="operator", party="operator", role="operator", region=HARBIN)}
    if police:
        lowest = max(police, key=lambda entry: len(str(_digits(entry["region"])).rstrip("0")))
        found["HELI_POLICE"] = Claims(kind="agency", party=lowest["code"], department="police", region=_digits(lowest["region"]))
    return found


def _digits(region: object) -> str:
    """A token's region is a plain code: without the mark of its maker, filled up to 12 digits."""
    return str(region).removeprefix("nbs:").ljust(REGION_DIGITS, "0")
