"""Is a table read as it stands in the file, and is a file that would hurt refused before it does?"""

import io
import re
import resource
import time
import zipfile
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
import xlsxwriter

from shared import sheets
from shared.sheets import MOST_COLUMNS, MOST_ROWS, SheetError


def excel(*rows: list[Any], fill: Callable[[Any], None] | None = None, hidden: bool = False) -> bytes:
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"strings_to_formulas": False, "default_date_format": "yyyy-mm-dd"})
    if hidden:
        book.add_worksheet("notes").hide()
    sheet = book.add_worksheet("agencies")
    sheet.activate()
    if hidden:
        sheet.set_first_sheet()
    for number, row in enumerate(rows):
        sheet.write_row(number, 0, row)
    if fill:
        fill(sheet)
    book.close()
    return file.getvalue()


def repacked(data: bytes, pattern: str, replacement: str) -> bytes:
    """The same workbook with its sheet written otherwise."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            text = old.read(name)
            new.writestr(name, re.sub(pattern.encode(), replacement.encode(), text) if "worksheets" in name else text)
    return file.getvalue()


def test_rows_keep_their_numbers_and_cells_their_text() -> None:
    def fill(sheet: Any) -> None:
        sheet.write_row(3, 0, ["编码", 230102000000, 1.5, True, "=1+1", " 𠅤 "])
        sheet.write_datetime(4, 1, date(2026, 11, 24))

    sheet = sheets.read(excel([], fill=fill))
    assert sheet.name == "agencies"
    assert [row for row in sheet.rows if not any(row)] == [[""] * 6] * 3
    assert sheet.rows[3] == ["编码", "230102000000", "1.5", "TRUE", "=1+1", " 𠅤 "]
    assert sheet.rows[4][1].startswith("2026-11-24")


def test_a_number_that_has_lost_digits_is_no_code_any_more() -> None:
    assert sheets.read(excel([123456789012345678])).rows == [["1.234567890123457e+17"]]


def test_the_first_visible_sheet_is_read() -> None:
    assert sheets.read(excel(["code"], hidden=True)).name == "agencies"


@pytest.mark.parametrize(("encoding", "mark"), [("utf-8", b""), ("utf-8", b"\xef\xbb\xbf"), ("gb18030", b"")])
@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_csv_is_read_in_the_encodings_and_with_the_signs_that_offices_use(encoding: str, mark: bytes, sign: str) -> None:
    text = f'编码{sign}名称\r\n\r\na1{sign}"一{sign}""二""\n三"\r\n'
    assert sheets.read(mark + text.encode(encoding)).rows == [["编码", "名称"], [], ["a1", f'一{sign}"二"\n三']]


def test_rows_and_columns_at_the_limit_are_read_and_one_more_is_refused() -> None:
    for rows, columns in ((MOST_ROWS, 1), (1, MOST_COLUMNS)):
        line = ",".join("1" * columns)
        assert len(sheets.read("\n".join([line] * rows).encode()).rows) == rows
        assert len(sheets.read(excel(fill=lambda sheet, at=(rows - 1, columns - 1): sheet.write(*at, "x"))).rows) == rows  # type: ignore[misc]
    for rows, columns in ((MOST_ROWS + 1, 1), (1, MOST_COLUMNS + 1)):
        with pytest.raises(SheetError, match=f"{MOST_ROWS} rows and {MOST_COLUMNS} columns"):
            sheets.read("\n".join([",".join("1" * columns)] * rows).encode())
        with pytest.raises(SheetError, match=f"{MOST_ROWS} rows and {MOST_COLUMNS} columns"):
            sheets.read(excel(fill=lambda sheet, at=(rows - 1, columns - 1): sheet.write(*at, "x")))  # type: ignore[misc]


def bomb(rows: int = 20_000) -> bytes:
    def fill(sheet: Any) -> None:
        for number in range(rows):
            sheet.write(number, 16_383, 1)

    return excel(fill=fill)


def test_a_small_file_that_unpacks_to_ten_gigabytes_is_refused_at_once() -> None:
    data = bomb()
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, time.monotonic()
    with pytest.raises(SheetError, match="columns"):
        sheets.read(data)
    assert len(data) < 1024 * 1024
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss == before, "no parser was started"
    assert time.monotonic() - start < 30


def test_what_the_look_before_does_not_see_dies_in_the_child_and_hurts_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "_look", lambda _: None)
    with pytest.raises(SheetError, match="cannot be read"):
        sheets.read(bomb())
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < sheets.MEMORY_BYTES


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        ('<c r="GS1"', '<x:c r="GS1"'),
        ('<c r="GS1"', "<c s='1'  r = 'GS1'"),
        ('<c r="GS1"', "<c\nr='gs1'"),
        ('<row r="1"', '<row r="20001"'),
        (' r="[A-Z]+1"', ""),
    ],
)
def test_addresses_are_seen_however_they_are_written_and_also_when_they_are_missing(pattern: str, replacement: str) -> None:
    wide = excel(["x"] * (MOST_COLUMNS + 1))
    with pytest.raises(SheetError, match="columns"):
        sheets.read(repacked(wide, pattern, replacement))


def test_an_address_is_seen_across_the_blocks_in_which_the_file_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "_BLOCK", 7)
    monkeypatch.setattr(sheets, "MOST_COLUMNS", 3)
    with pytest.raises(SheetError, match="columns"):
        sheets.read(excel(["x"] * 4))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"PK\x03\x04 and no more", "no whole Excel file"),
        (excel(["a"])[:-200], "no whole Excel file"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 600, "old or an encrypted"),
        (b"\xff\xff\xff\xff", "neither .xlsx nor a .csv"),
        (b"a,b\0", "neither .xlsx nor .csv"),
        (b'a,"b', "no whole CSV file"),
        (b"x" * (sheets.FILE_BYTES + 1), "20 MiB"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_table_is_refused_with_the_reason(data: bytes, said: str) -> None:
    with pytest.raises(SheetError, match=said):
        sheets.read(data)


def test_a_zip_that_is_no_workbook_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "a")
    with pytest.raises(SheetError, match="cannot be read as an Excel file"):
        sheets.read(file.getvalue())


def test_sheets_that_unpack_to_too_much_are_refused_by_what_they_say_of_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "UNPACKED_BYTES", 1000)
    with pytest.raises(SheetError, match="unpacked"):
        sheets.read(excel(["a"]))
