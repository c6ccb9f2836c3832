"""How does the agency directory come in: from a sheet, all or nothing, or made for a whole province?"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from deploy.asking import INCOMPLETE, Silent, WrongToken, asked, connected
from deploy.directory import province as divisions
from deploy.directory import verdict
from deploy.directory.columns import Line, lines
from shared import sheets

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="The agency directory.")
REFUSED = (409, 422)
TIMEOUT_SECONDS = 120


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An .xlsx or .csv file with the headings of the directory.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge every row and change nothing.")] = False,
    out: Annotated[Path | None, typer.Option("--verdict", help="Write the verdict of every row there, as .csv.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Enter the agencies of a sheet, all or none: code, name, department, region, superior, phone, active (or 编码 名称 部门 区划 上级 电话 启用).

    Exit code 1 when it cannot be entered (rows and gaps are listed, nothing is changed), 2: token refused, 4: referral does not answer.
    """
    found = _read(file)
    mine = any(line.faults for line in found)  # a row that is refused here is refused with all of them
    try:
        answer = asked(_judged(found, "check" if dry_run or mine else "import"))
    except Silent as how:
        print(f"referral {how}. Nothing is known to be changed. Repair: heli status", file=sys.stderr)
        raise typer.Exit(INCOMPLETE) from None
    rows = verdict.joined(found, answer)
    if out is not None:
        out.write_bytes(verdict.as_csv(rows))
    if as_json:
        print(json.dumps(verdict.as_json(rows, answer, dry_run=dry_run), ensure_ascii=False))
    else:
        print("\n".join(verdict.as_text(rows, answer, dry_run=dry_run)))
    if not answer["applied"] and not (dry_run and verdict.possible(rows, answer)):
        raise typer.Exit(1)


def _read(file: Path) -> list[Line]:
    try:
        return lines(sheets.read(file.read_bytes()))
    except sheets.SheetError as reason:
        raise RuntimeError(f"{file} cannot be read: {reason}") from reason


async def _judged(found: list[Line], path: str) -> dict[str, Any]:
    """What the service says of the rows. A refusal says it as well; raises Silent for any other answer."""
    body = {"agencies": [line.entry for line in found]}
    try:
        async with connected() as http:
            answer = await http.post(f"/referral/agencies/{path}", json=body, timeout=TIMEOUT_SECONDS)
    except httpx.HTTPError as reason:
        raise Silent(f"does not answer ({type(reason).__name__})") from None
    if answer.status_code in {401, 403}:
        raise WrongToken
    document = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    if "verdicts" in document:
        return dict(document)
    if answer.status_code in REFUSED:
        raise RuntimeError(f"{document['title']}: {document['detail']} Nothing was changed.")
    raise Silent(f"answers {answer.status_code} {document.get('title', answer.reason_phrase)}")


@app.command()
def province(
    code: Annotated[str, typer.Argument(help="Code of a province, for example 230000.")],
    *,
    out: Annotated[Path | None, typer.Option(help="Write it there instead of printing it.")] = None,
) -> None:
    """Make a complete directory for a real province from the division data, for trials: HELI_DIRECTORY=FILE heli up."""
    try:
        entries = divisions.agencies(code)
    except ValueError as reason:
        raise typer.BadParameter(str(reason), param_hint="CODE") from reason
    if not any(entry["department"] == "township" for entry in entries):
        left = (
            "The division data has no township of this province: what a township owes falls to the joint-conference office of its county."
        )
        print(left, file=sys.stderr)
    text = divisions.as_yaml(entries, code)
    if out is None:
        print(text, end="")
    else:
        out.write_text(text, encoding="utf-8")
        print(f"{len(entries)} agencies. Use them: HELI_DIRECTORY={out} heli up", file=sys.stderr)
