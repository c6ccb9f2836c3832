"""Reports as a reporter sends them: right ones, and each rule broken alone. Names are canaries: they may be echoed nowhere."""

from datetime import datetime, timedelta, timezone
from typing import Any

NAME, FACTS, TEACHER = "金丝雀小花", "金丝雀说害怕回家", "金丝雀老师"
SHANGHAI = timezone(timedelta(hours=8))
Broken = tuple[dict[str, Any], str, str]

CHECK, WEIGHTS = "10X98765432", (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def number(born: str, *, female: bool = True, order: int = 1, county: str = "239901") -> str:
    """A right ID number of nobody: county 239901 is made up."""
    digits = f"{county}{born}{order:02d}{2 if female else 1}"
    return digits + CHECK[sum(int(d) * w for d, w in zip(digits, WEIGHTS, strict=True)) % 11]


def child(**changes: Any) -> dict[str, Any]:
    return {"name": NAME, "sex": "female", "birth_date": "2016-05-01"} | changes


def aged(**changes: Any) -> dict[str, Any]:
    return {"name": NAME, "sex": "male", "age": 9} | changes


def body(*children: dict[str, Any], **changes: Any) -> dict[str, Any]:
    plain = {"situations": ["L1a"], "seen_at": "2026-11-20T09:30:00+08:00", "region": "239901100201", "facts": FACTS}
    return plain | {"children": list(children) or [child()]} | changes


def at(now: datetime, **ahead: float) -> str:
    return (now + timedelta(**ahead)).astimezone(SHANGHAI).isoformat()


def day(now: datetime, days: float) -> str:
    return at(now, days=days)[:10]


BROKEN: list[Broken] = [
    (body(situations=[], groups=[]), "/situations", "nothing-reported"),
    (body(situations=["L1a", "L9"]), "/situations/1", "situation-unknown"),
    (body(groups=["K7"]), "/groups/0", "group-unknown"),
    (body(child(groups=["L1a"])), "/children/0/groups/0", "group-unknown"),
    (body(situations=["L1a"] * 21), "/situations", "too_long"),
    (body(seen_at="2026-11-24T09:30:00"), "/seen_at", "seen-at-naive"),
    (body(seen_at="昨天"), "/seen_at", "seen-at-form"),
    (body(seen_at=1700000000), "/seen_at", "seen-at-form"),
    (body(seen_at="1700000000"), "/seen_at", "seen-at-form"),
    (body(seen_at="0001-01-01T00:00:00+23:00"), "/seen_at", "seen-at-form"),
    (body(seen_at="2026-13-24T09:30:00Z"), "/seen_at", "seen-at-form"),
    (body(seen_at="9999-12-31T23:59:59-08:00"), "/seen_at", "seen-at-future"),
    (body(seen_at="9999-12-31T23:59:59Z"), "/seen_at", "seen-at-future"),
    (body(region="999999"), "/region", "region-unknown"),
    (body(region="2399011"), "/region", "region-unknown"),
    (body(region="nbs:239901100201"), "/region", "region-unknown"),
    (body(children=[]), "/children", "too_short"),
    (body(*[child()] * 21), "/children", "too_long"),
    (body(child(name="")), "/children/0/name", "string_too_short"),
    (body(child(name="甲" * 101)), "/children/0/name", "string_too_long"),
    (body(child(name="甲\0")), "/children/0/name", "nul"),
    (body(child(name="\ud800")), "/children/0/name", "nul"),
    (body(facts="\0"), "/facts", "nul"),
    (body(received_by="a\0"), "/received_by", "nul"),
    (body(region="\0"), "/region", "nul"),
    (body(situations=["\udfff"]), "/situations/0", "nul"),
    (body(facts="字" * 4001), "/facts", "string_too_long"),
    (body(child(sex="w")), "/children/0/sex", "literal_error"),
    (body(child(age=10)), "/children/0/age", "age-or-birth-date"),
    (body({"name": "甲", "sex": "male"}), "/children/0/age", "age-or-birth-date"),
    (body(aged(age=121)), "/children/0/age", "less_than_equal"),
    (body(aged(age=-1)), "/children/0/age", "greater_than_equal"),
    (body(aged(age=True)), "/children/0/age", "int_type"),
    (body(child(birth_date="2016-02-30")), "/children/0/birth_date", "birth-date-form"),
    (body(child(birth_date=16000)), "/children/0/birth_date", "birth-date-form"),
    (body(child(birth_date="1899-12-31"), child()), "/children/0/birth_date", "birth-date-range"),
    (body(child(id_number="")), "/children/0/id_number", "id-number-form"),
    (body(child(id_number=number("20160501")[:-1])), "/children/0/id_number", "id-number-form"),
    (body(child(id_number=number("20160501")[:-1] + "?")), "/children/0/id_number", "id-number-form"),
    (body(child(id_number=number("20160501")[:-1] + "0")), "/children/0/id_number", "id-number-checksum"),
    (body(child(id_number=number("20160230"))), "/children/0/id_number", "id-number-birth-date"),
    (body(child(id_number=number("20160502"))), "/children/0/id_number", "id-number-mismatch"),
    (body(child(id_number=number("20160501", female=False))), "/children/0/id_number", "id-number-mismatch"),
    (body(aged(id_number=number("19850101", female=False))), "/children/0/id_number", "id-number-mismatch"),
    (body(*[child(id_number=number("20160501"))] * 2), "/children/1/id_number", "id-number-twice"),
    (body(surname="甲"), "/surname", "extra_forbidden"),
    (body(child(phone="1")), "/children/0/phone", "extra_forbidden"),
]
"""Report, pointer, rule: whenever it is sent."""


def broken(now: datetime) -> list[Broken]:
    """The above, and what depends on the moment."""
    return [
        *BROKEN,
        (body(seen_at=at(now, seconds=121)), "/seen_at", "seen-at-future"),
        (body(child(birth_date=day(now, 1))), "/children/0/birth_date", "birth-date-range"),
        (body(aged(age=18), child(birth_date=day(now, -18 * 366))), "/children", "nobody-under-18"),
    ]


def good(now: datetime) -> list[dict[str, Any]]:
    """At each limit, and in each form that people use."""
    return [
        body(),
        body(situations=[], groups=["K3"]),
        body(child(groups=["K4"]), situations=[]),
        body(situations=["L1a"] * 20),
        body(seen_at=at(now, seconds=119)),
        body(seen_at="2026-11-20T02:00:00.123456Z"),
        body(seen_at="2026-11-20t02:00:00z"),
        *(body(region=code) for code in ("239901", "230104112", "230104112201", "230671")),
        body(*[child()] * 20),
        body(child(name="甲" * 100), facts="字" * 4000, received_by="丙" * 100),
        body(child(birth_date=day(now, 0))),
        body(child(birth_date=day(now, -17 * 365)), aged(age=120)),
        body(child(id_number=number("20160501"))),
        body(child(id_number=f" {number('20160501').lower()} ")),
        body(child(sex="unknown", id_number=number("20160501"))),
        body(aged(age=9, id_number=number("20160501", female=False))),
        body(aged(age=12, id_number=number("20160501", female=False))),
        body(aged(age=0, age_estimated=True)),
    ]
