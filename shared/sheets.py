"""How is a table read from an Excel or CSV file that a stranger made, without becoming its victim?

Traps: calamine builds a dense grid, so a file of 168 KB with one cell per row in column XFD takes 10 GB and half a minute; no ratio
of packed to unpacked size shows it. So cell addresses are counted first, and the parser runs in a child process with a limit on
its memory and its time. calamine drops leading empty rows unless told otherwise, and row numbers in a verdict would be wrong.
"""

import csv
import io
import json
import os
import re
import resource
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from typing import IO, Any

import msgspec

MOST_ROWS, MOST_COLUMNS = 20_000, 200
FILE_BYTES = 20 * 1024 * 1024
UNPACKED_BYTES = 200 * 1024 * 1024
MEMORY_BYTES = 1024 * 1024 * 1024
SECONDS = 60
_BLOCK = 1024 * 1024
_ZIP, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
# A row or a cell, with its address if it has one: `<c r="XFD1"`, `<x:row r='7'`; without one it comes after the last.
_UNIT = re.compile(rb"""<(?:\w+:)?(row|c)(?=[\s/>])(?:[^>]*?\sr\s*=\s*["']([A-Za-z]{0,3})(\d{0,7}))?""")
_LETTERS = 26
_PASSED_ON = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH")
_EXACT = 10**15
"""A larger number has lost digits in the file itself: it is shown as the fraction that it is, and no rule takes it for a code."""


class SheetError(Exception):
    """A file that cannot be read as a table; the text says why, for a person."""


class Sheet(msgspec.Struct, frozen=True):
    """The first visible sheet: its name, and every row from the first one on, each cell as text."""

    name: str
    rows: list[list[str]]


def read(data: bytes) -> Sheet:
    """The table in an .xlsx or .csv file, told apart by its content. Raises SheetError."""
    if len(data) > FILE_BYTES:
        raise SheetError(f"a file may have {FILE_BYTES // 1024 // 1024} MiB")
    if data.startswith(_OLD_EXCEL):
        raise SheetError("this is an old or an encrypted Excel file: save it as .xlsx without a password, or as .csv")
    if data.startswith(_ZIP):
        _look(data)
        return _parsed_apart(data)
    return _csv(data)


# -- before parsing: what does the file claim to hold?


def _look(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(member.file_size for member in archive.infolist()) > UNPACKED_BYTES:
                raise SheetError(f"unpacked it has more than {UNPACKED_BYTES // 1024 // 1024} MiB")
            for member in archive.infolist():
                with archive.open(member) as stream:
                    _count(stream)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as reason:
        raise SheetError("it is no whole Excel file") from reason


def _count(stream: IO[bytes]) -> None:
    """Every member of the archive, whatever its name: which one is a sheet is for the workbook to say, and it may say anything."""
    row = column = 0
    for text in _whole_tags(stream):
        for kind, letters, digits in _UNIT.findall(text):
            if kind == b"row":
                row, column = int(digits or row + 1), 0
            else:
                column = _column(letters) if letters else column + 1
                row = max(row, int(digits or row))
            if row > MOST_ROWS or column > MOST_COLUMNS:
                raise SheetError(
                    f"a sheet may have {MOST_ROWS} rows and {MOST_COLUMNS} columns; delete what lies beyond, also if it looks empty"
                )


def _whole_tags(stream: IO[bytes]) -> Iterator[bytes]:
    """Blocks that end before a tag that is not yet whole. Excel writes UTF-8; in another encoding no address would be seen."""
    rest = stream.read(_BLOCK)
    if rest.startswith((b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<")):
        raise SheetError("its parts are not UTF-8: save it anew with Excel or WPS")
    while block := stream.read(_BLOCK):
        whole, start, rest = (rest + block).rpartition(b"<")
        rest = start + rest
        if len(rest) > _BLOCK:
            whole, rest = whole + rest, b""
        yield whole
    yield rest


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * _LETTERS + letter - ord("A") + 1
    return number


# -- the parser, apart


def _parsed_apart(data: bytes) -> Sheet:
    program = [sys.executable, "-m", "shared.sheets"]
    env = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}  # no token for whoever breaks the parser
    try:
        ended = subprocess.run(program, input=data, capture_output=True, timeout=SECONDS, check=False, env=env)  # noqa: S603 - our own module
    except subprocess.TimeoutExpired as reason:
        raise SheetError(f"it takes more than {SECONDS} s to read") from reason
    if ended.returncode:
        raise SheetError("it cannot be read as an Excel file; open it, save it anew as .xlsx, and try again")
    return msgspec.json.decode(ended.stdout, type=Sheet)


def _child() -> None:
    """Limits first: what comes next runs on a stranger's bytes."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from python_calamine import CalamineWorkbook, SheetVisibleEnum

    book = CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read()))
    shown = [sheet.name for sheet in book.sheets_metadata if sheet.visible == SheetVisibleEnum.Visible]
    name = (shown or book.sheet_names)[0]
    cells = book.get_sheet_by_name(name).to_python(skip_empty_area=False, nrows=MOST_ROWS)
    sys.stdout.write(json.dumps({"name": name, "rows": [[_text(cell) for cell in row] for row in cells]}))


def _text(cell: Any) -> str:
    """A number as it was typed: calamine gives every one as a float."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT:
        return str(int(cell))
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)


# -- CSV


def _csv(data: bytes) -> Sheet:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        raise SheetError("it is neither .xlsx nor a .csv in UTF-8 or GB 18030")
    if "\x00" in text:
        raise SheetError("it is neither .xlsx nor .csv")
    first = text.partition("\n")[0]
    delimiter = next((sign for sign in ("\t", ";") if sign in first and "," not in first), ",")
    try:
        rows = list(_bounded(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)))
    except csv.Error as reason:
        raise SheetError(f"it is no whole CSV file: {reason}") from reason
    return Sheet("", rows)


def _bounded(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    for number, row in enumerate(rows, 1):
        if number > MOST_ROWS or len(row) > MOST_COLUMNS:
            raise SheetError(f"a table may have {MOST_ROWS} rows and {MOST_COLUMNS} columns")
        yield row


if __name__ == "__main__":
    _child()
