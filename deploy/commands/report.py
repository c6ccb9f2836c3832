"""How does a reporter unit file a report from a shell, and see how it goes on? Uses HELI_URL and HELI_SCHOOL (`. .heli/env`)."""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="File a report, follow it.")
TIMEOUT_SECONDS = 60


@app.command()
def post(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The body (JSON), as for POST /intake/reports.")],
    key: Annotated[str, typer.Option(help="Idempotency-Key: new for each new report, the same to repeat one.")],
) -> None:
    """File the report in a file; the code that it prints is the receipt number."""
    headers = {"idempotency-key": key, "content-type": "application/json"}
    receipt = _called("POST", "/intake/reports", content=file.read_bytes(), headers=headers)
    print(f"code      {receipt['code']}")
    print(f"report    {receipt['report']}")
    print(f"children  {receipt['children']}")
    print(f"next:     heli report progress {receipt['code']}")


@app.command()
def progress(code: Annotated[str, typer.Argument(help="Short code or id of a report of the own unit.")]) -> None:
    """Show how far each department is with a report."""
    found = _called("GET", f"/intake/reports/{code}/progress")
    print(f"report {found['code']}: {found['cases']['open']} of {found['cases']['owed']} cases open")
    facts = ("told", "delivered", "seen", "accepted", "done")
    print("  " + "".join(f"{name:<20}" for name in ("department", *facts)))
    for leg in found["legs"]:
        print("  " + "".join(f"{cell:<20}" for cell in (leg["department"], *(_moment(leg[fact]) for fact in facts))))


def _moment(at: str | None) -> str:
    return at[:19].replace("T", " ") if at else "-"


def _called(method: str, path: str, *, content: bytes | None = None, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """The JSON of a 2xx; any other answer is printed and ends the command with code 1."""
    url, bearer = (os.environ.get(name) for name in ("HELI_URL", "HELI_SCHOOL"))
    if not url or not bearer:
        raise RuntimeError("HELI_URL and HELI_SCHOOL are not set. Repair: heli up, then: . .heli/env")
    try:
        with httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False) as http:
            answer = http.request(method, path, content=content, headers={**(headers or {}), "authorization": f"Bearer {bearer}"})
    except httpx.TransportError as reason:
        raise RuntimeError(f"Nobody answers at {url}: {reason}. Repair: heli status") from reason
    print(f"{answer.status_code} {answer.reason_phrase}")
    if not answer.is_success:
        _explain(answer)
        raise typer.Exit(1)
    found: dict[str, Any] = answer.json()
    return found


def _explain(answer: httpx.Response) -> None:
    """A problem (RFC 9457) in lines that a person reads."""
    try:
        problem = answer.json()
        print(f"{problem['title']}: {problem['detail']}")
    except (json.JSONDecodeError, KeyError, TypeError):
        print(answer.text[:500])
        return
    for fault in problem.get("errors", ()):
        print(f"  {fault['pointer']}  {fault['rule']}: {fault['detail']}")
