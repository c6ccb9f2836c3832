"""How is an id made, read back and checked, so that the same thing always gets the same id?

Rows get UUIDv7. Ids born in a decision are derived from what they belong to, so that a retry decides the same; those are
UUIDv8 (RFC 9562). People read short codes over the telephone. ID numbers follow GB 11643-1999 (`domain.md` c3).
"""

import hashlib
import hmac
import re
import unicodedata
from datetime import date
from typing import Literal
from uuid import UUID

import msgspec
import uuid_utils
from asyncpg.pgproto import pgproto

Rule = Literal["id-number-form", "id-number-checksum", "id-number-birth-date"]

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUE = {character: value for value, character in enumerate(_ALPHABET)}
_ALIKE = str.maketrans("OIL", "011")
_SHORT_CODE = 8
_RANDOM_BYTES = 5
_NUMBER_BYTES = 4
_MAX_LEG = 255
_LOCAL = 6
_DASHES = re.compile(r"[\s\-‐–—]")
_SEPARATORS = re.compile(r"[\s'’\-]")
_ID_NUMBER = re.compile(r"[1-9]\d{5}(19|20)\d{9}[\dX]", re.ASCII)
_ID_CHECKS = "10X98765432"
_ID_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_ID_WIDE = str.maketrans("０１２３４５６７８９Ｘ", "0123456789X")
_FIRST_YEAR = 1900


def uuid7() -> UUID:
    """Return a new time-ordered id. Trap: plain `uuid_utils.uuid7` is no `uuid.UUID`, which SQLAlchemy and pydantic check."""
    return _uuid(uuid_utils.uuid7().bytes)


def named(space: UUID, name: str) -> UUID:
    """Return the id of a name within a space, always the same: a UUIDv5 (RFC 9562), in a third of the time of the standard library's."""
    return _uuid(uuid_utils.uuid5(uuid_utils.UUID(bytes=space.bytes), name).bytes)


def _uuid(octets: bytes) -> UUID:
    """The `uuid.UUID` of asyncpg, which rows hold too: equal to the standard library's, but its text costs a tenth."""
    return pgproto.UUID(octets)


def new_short_code(random: bytes) -> str:
    """Return 8 Crockford base-32 characters and 1 check character, unformatted, from the first 5 of the random bytes.

    The check character is of the same alphabet, so the code survives URLs and speech (Crockford's own `*~$=U` do not).
    Raises ValueError for fewer than 5 bytes.
    """
    if len(random) < _RANDOM_BYTES:
        raise ValueError("a short code needs 5 random bytes")
    bits = int.from_bytes(random[:_RANDOM_BYTES])
    body = "".join(_ALPHABET[bits >> 5 * place & 31] for place in reversed(range(_SHORT_CODE)))
    return body + _ALPHABET[_syndrome(body + _ALPHABET[0])]


def parse_short_code(text: str) -> str:
    """Return the 9 characters of a code as a person wrote it: any case, blanks, hyphens, full width, O for 0, I or L for 1.

    Raises ValueError("short-code-check") when it is no code: wrong length, foreign character or check.
    """
    code = _DASHES.sub("", unicodedata.normalize("NFKC", text)).upper().translate(_ALIKE)
    if len(code) != _SHORT_CODE + 1 or not _VALUE.keys() >= set(code) or _syndrome(code):
        raise ValueError("short-code-check")
    return code


def format_short_code(code: str) -> str:
    """Return the code as people see it: XXXX-XXXX-C."""
    return f"{code[:4]}-{code[4:8]}-{code[8:]}"


def _syndrome(code: str) -> int:
    """Return 0 for a right code: the sum of its characters times a weight each, in the field of 32 elements.

    The weights of the 9 places are different powers of x, hence not zero and not equal: every single error and every swap
    of two places, neighbours or not, changes the sum. Doubling (times x) reduces by x^5 + x^2 + 1.
    """
    total = 0
    for character in code:
        total <<= 1
        total ^= 0b100101 if total & 32 else 0
        total ^= _VALUE[character]
    return total


class IdNumberError(ValueError):
    """An ID number that breaks `rule`. Never carries the number."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule)
        self.rule: Rule = rule


class IdNumber(msgspec.Struct, frozen=True):
    """A formally right ID number: 18 characters. `county_code` is the 6-digit county of the first registration.

    That county may be abolished by now, or unknown to us: at most a warning, never a refusal. A right number can still be
    another person's, for example the mother's.
    """

    value: str
    birth_date: date
    sex: Literal["male", "female"]
    county_code: str

    def __repr__(self) -> str:
        """Show nothing: an ID number must not reach a log by accident."""
        return "IdNumber(...)"


def check_id_number(raw: str, today: date) -> IdNumber:
    """Clean and check a citizen ID number (GB 11643-1999; ISO 7064 MOD 11-2). Blanks, hyphens, full width, x are repaired.

    Raises IdNumberError: `id-number-form` (not 18 characters of the right kind), `id-number-checksum`,
    `id-number-birth-date` (no such day, before 1900, after `today`).
    """
    value = _SEPARATORS.sub("", raw).upper().translate(_ID_WIDE)
    if not _ID_NUMBER.fullmatch(value):
        raise IdNumberError("id-number-form")
    if _ID_CHECKS[sum(int(digit) * weight for digit, weight in zip(value, _ID_WEIGHTS, strict=False)) % 11] != value[17]:
        raise IdNumberError("id-number-checksum")
    sex: Literal["male", "female"] = "male" if int(value[16]) % 2 else "female"
    return IdNumber(value, _birth_date(value, today), sex, value[:6])


def _birth_date(value: str, today: date) -> date:
    try:
        born = date(int(value[6:10]), int(value[10:12]), int(value[12:14]))
    except ValueError:
        raise IdNumberError("id-number-birth-date") from None
    if born.year < _FIRST_YEAR or born > today:
        raise IdNumberError("id-number-birth-date")
    return born


def age_in_years(birth: date, on: date) -> int:
    """Return completed years on a day: one more on the birthday itself; a child of 29 February turns on 1 March otherwise.

    Raises ValueError when the birth is after that day.
    """
    if birth > on:
        raise ValueError("born after the day on which the age is asked")
    return on.year - birth.year - ((on.month, on.day) < (birth.month, birth.day))


def child_id(key: bytes, id_number: str) -> UUID:
    """Return the id of the child with this cleaned ID number: the same for every report, not to be guessed without the key."""
    return _uuid8(hmac.digest(key, id_number.encode(), "sha256"))


def derived_child_id(report: UUID, number: int) -> UUID:
    """Return the id of child `number` (from 1) of a report when no ID number is known. Raises ValueError for a number below 1."""
    return _uuid8(_digest("child", report, number))


def case_id(report: UUID, number: int) -> UUID:
    """Return the id of the case of child `number` (from 1) of a report. Raises ValueError for a number below 1.

    It begins with the report's 48 bits of time, so that cases lie together in an index, and ends with a zero byte, which
    its legs fill.
    """
    return _uuid8(report.bytes[:_LOCAL] + _digest("case", report, number)[:9] + b"\0")


def leg_id(case: UUID, number: int) -> UUID:
    """Return the id of leg `number` of a case. Raises ValueError outside 1..255, or when `case` is no case id."""
    if not 1 <= number <= _MAX_LEG or case.bytes[-1]:
        raise ValueError("a leg needs the id of a case and a number from 1 to 255")
    return _uuid(case.bytes[:-1] + bytes([number]))


def case_of(leg: UUID) -> UUID:
    """Return the id of the case to which a leg belongs (a case's own id for a case)."""
    return _uuid(leg.bytes[:-1] + b"\0")


def leg_number(leg: UUID) -> int:
    """Return the number of a leg within its case. Raises ValueError for the id of a case."""
    if not leg.bytes[-1]:
        raise ValueError("the id of a case, not of a leg")
    return leg.bytes[-1]


def _digest(kind: str, report: UUID, number: int) -> bytes:
    if number < 1:
        raise ValueError("children of a report are numbered from 1")
    return hashlib.sha256(kind.encode() + report.bytes + number.to_bytes(_NUMBER_BYTES)).digest()


def _uuid8(material: bytes) -> UUID:
    octets = bytearray(material[:16])
    octets[6] = octets[6] & 0x0F | 0x80
    octets[8] = octets[8] & 0x3F | 0x80
    return _uuid(bytes(octets))
