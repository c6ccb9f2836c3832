"""Who are the children of the sample? Nobody: made-up names, ID numbers of a county that was never given out, phones of no operator."""

from datetime import date, timedelta
from typing import Any

COUNTY = "239901"
MADE_ON = date(2026, 11, 1)
KNOWN_AGES = range(2, 14)
"""Ages for which a birth date is told: told of an older child, a few years from now it would name an adult."""
SURNAMES, GIVEN = "测试样例模", ("小禾", "小满", "小麦", "小雨", "小雪", "小松", "小柏", "小溪", "小石", "小川", "小苗", "小穗", "小星")
WEIGHTS, CHECKS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), "10X98765432"
YEAR_DAYS = 365.25


def name(number: int) -> str:
    return SURNAMES[number % len(SURNAMES)] + GIVEN[number // len(SURNAMES) % len(GIVEN)]


def phone(number: int) -> str:
    return f"154{number:08d}"


def id_number(number: int, born: date, sex: str) -> str:
    """The last digit of the serial part is odd for a male; the check character is that of ISO 7064 MOD 11-2."""
    serial = number % 499 * 2 + (1 if sex == "male" else 2)
    digits = f"{COUNTY}{born:%Y%m%d}{serial:03d}"
    return digits + CHECKS[sum(int(digit) * weight for digit, weight in zip(digits, WEIGHTS, strict=True)) % 11]


def child(number: int, age: int, sex: str, *, hukou: bool = True, groups: tuple[str, ...] = ()) -> dict[str, Any]:
    """A child as a reporter knows it: with ID number and birth date, or (no hukou, a baby, a youth) with an age alone."""
    told: dict[str, Any] = {"name": name(number), "sex": sex}
    if hukou and age in KNOWN_AGES:
        born = MADE_ON - timedelta(days=round((age + 0.1) * YEAR_DAYS) + number % 200)
        told |= {"birth_date": born.isoformat(), "id_number": id_number(number, born, sex)}
    else:
        told |= {"age": age} | ({} if hukou else {"age_estimated": True})
    return told | ({"groups": list(groups)} if groups else {})
