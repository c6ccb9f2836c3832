"""What became of one report: who was told when, who answered what, what is due next? Asked of the four services, not of their databases."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any, NoReturn
from uuid import UUID

import typer

from deploy.asking import INCOMPLETE, UNKNOWN, NotThere, Operator, Silent, asked, connected
from deploy.journey import Parts, journey, lines
from deploy.local.state import SERVICES
from shared.identifiers import parse_short_code

ROUTES = {
    "referral": "/referral/operator/reports/{}",
    "notification": "/notification/operator/deliveries/{}",
    **{f"{name} journal": f"/{name}/operator/journal/{{}}" for name in SERVICES},
}
"""Part of a journey -> where it is asked for, by the report's id; intake itself is asked first, because it knows the codes."""


def trace(
    code: Annotated[str, typer.Argument(help="The receipt number of a report (XXXX-XXXX-X), or its id.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The same as one JSON document.")] = False,
) -> None:
    """Print the journey of a report. Exit code 2: token refused, 3: no such report, 4: a service did not answer, the rest is shown."""
    name = _name(code)
    if name is None:
        _end(UNKNOWN, f"{code} is neither a receipt number (XXXX-XXXX-X, with a check character) nor an id. Read it again.")
    parts = asked(_parts(name))
    if parts is None:
        _end(UNKNOWN, f"No report has the number {code}.")
    found = journey(parts, datetime.now(UTC))
    print(json.dumps(found, ensure_ascii=False) if as_json else "\n".join(lines(found)))
    if parts.missing:
        raise typer.Exit(INCOMPLETE)


def _end(code: int, sentence: str) -> NoReturn:
    print(sentence, file=sys.stderr)
    raise typer.Exit(code)


def _name(text: str) -> str | None:
    """What was typed as the services write it, or None for what can be nobody's."""
    try:
        return str(UUID(text))
    except ValueError:
        pass
    try:
        return parse_short_code(text)
    except ValueError:
        return None


async def _parts(name: str) -> Parts | None:
    """Everything that is known of a report; None when intake knows no such report. Without intake only an id leads on."""
    async with connected() as http:
        operator = Operator(http)
        answers, missing = await _gather(operator, {"intake": f"/intake/operator/reports/{name}"})
        if not answers and not missing:
            return None
        report = answers["intake"]["report"] if answers else name
        if not _is_id(report):
            missing["everything else"] = "cannot be asked for: only intake knows which report a code means. With the report's id it can"
            return Parts({}, missing)
        more, silent = await _gather(operator, {part: route.format(report) for part, route in ROUTES.items()})
        return Parts({"intake": {"report": report}, **answers, **more}, {**missing, **silent})


def _is_id(name: str) -> bool:
    return len(name) == len(str(UUID(int=0)))


async def _gather(operator: Operator, paths: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    answers = await asyncio.gather(*(operator.ask(path) for path in paths.values()), return_exceptions=True)
    found, missing = {}, {}
    for part, answer in zip(paths, answers, strict=True):
        if isinstance(answer, Silent):
            missing[part] = str(answer)
        elif isinstance(answer, dict):
            found[part] = answer
        elif not isinstance(answer, NotThere):
            raise answer
    return found, missing
