"""What do the headings and words of a directory sheet mean, in Chinese or as codes?"""

import unicodedata
from collections.abc import Iterator
from typing import Any

import msgspec

from shared.sheets import Sheet, SheetError

HEADINGS = {
    "code": ("编码", "机构编码", "单位编码", "代码"),
    "name": ("名称", "机构名称", "单位名称"),
    "department": ("部门", "所属部门"),
    "region": ("区划", "区划代码", "行政区划", "行政区划代码"),
    "superior": ("上级", "上级编码", "上级机构"),
    "phone": ("电话", "值班电话"),
    "active": ("启用", "是否启用"),
}
NEEDED = ("code", "name", "department", "region")
DEPARTMENTS = {
    "police": ("公安", "公安局", "公安机关", "派出所"),
    "civil_affairs": ("民政", "民政局", "民政部门"),
    "education": ("教育", "教育局", "教育部门"),
    "township": ("乡镇", "乡镇街道", "街道", "乡镇人民政府", "街道办事处", "乡镇(街道)"),
    "village": ("村", "村居", "村委会", "居委会", "村(居)委会", "村民委员会", "居民委员会"),
    "health": ("卫健", "卫生健康", "卫生健康局", "卫健局"),
    "disabled_federation": ("残联", "残疾人联合会"),
    "women_federation": ("妇联", "妇女联合会"),
    "justice": ("司法", "司法局", "司法行政"),
    "procuratorate": ("检察", "检察院", "检察机关", "人民检察院"),
    "court": ("法院", "人民法院"),
    "joint_conference": ("联席会议", "联席办", "联席会议办公室"),
    "operations": ("运行", "运行值班", "运维"),
}
YES = ("是", "启用", "true", "1", "yes", "y", "在用", "")
NO = ("否", "停用", "false", "0", "no", "n")
HEADING_WITHIN = 10
"""Rows in which the headings are looked for: a title may stand above them."""


class Line(msgspec.Struct, frozen=True):
    """One row of the sheet, counted as Excel does: the entry that it means, or why it means none as (field, rule)."""

    row: int
    entry: dict[str, Any]
    faults: tuple[tuple[str, str], ...] = ()


def lines(sheet: Sheet) -> list[Line]:
    """The entries of a directory sheet; empty rows are passed over. Raises SheetError when it has no such headings, or no row."""
    at, columns = _headings(sheet)
    found = [_line(number, row, columns) for number, row in enumerate(sheet.rows[at:], at + 1) if any(cell.strip() for cell in row)]
    if not found:
        raise SheetError("below the headings stands no row")
    return found


def _headings(sheet: Sheet) -> tuple[int, dict[str, int]]:
    """Where the rows begin, and which column holds which field."""
    for number, row in enumerate(sheet.rows[:HEADING_WITHIN], 1):
        named = [(field, place) for place, cell in enumerate(row) if (field := _field(cell))]
        columns = dict(named)
        if set(NEEDED) <= columns.keys():
            if len(named) > len(columns):
                raise SheetError(f"row {number}: a heading stands twice")
            return number, columns
    wanted = ", ".join(f"{field} ({HEADINGS[field][0]})" for field in HEADINGS)
    raise SheetError(f"no row among the first {HEADING_WITHIN} has the headings {wanted}; the first four are needed")


def _field(cell: str) -> str | None:
    word = _plain(cell)
    return next((field for field, words in HEADINGS.items() if word == field or word in words), None)


def _line(number: int, row: list[str], columns: dict[str, int]) -> Line:
    cells = {field: row[place].strip() if place < len(row) else "" for field, place in columns.items()}
    active = _active(cells.pop("active", ""))
    entry: dict[str, Any] = {**cells, "department": _department(cells["department"]), "superior": cells.get("superior") or None}
    faults = () if active is not None else (("active", "yes-or-no"),)
    return Line(number, {**entry, "active": active is not False}, faults)


def _department(cell: str) -> str:
    word = _plain(cell)
    return next((code for code, words in DEPARTMENTS.items() if word == code or word in words), cell)


def _active(cell: str) -> bool | None:
    word = _plain(cell)
    return True if word in YES else False if word in NO else None


def _plain(cell: str) -> str:
    """As it is compared: full width, case and blanks do not matter."""
    return "".join(_printable(unicodedata.normalize("NFKC", cell))).lower()


def _printable(text: str) -> Iterator[str]:
    return (sign for sign in text if sign.isprintable() and not sign.isspace())
