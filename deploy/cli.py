"""What can be typed after `heli`? The table of commands; each lives in `deploy/commands/<name>.py`, imported when it is used.

To add one: a row in COMMANDS and a module that has either a Typer object `app` (for subcommands) or a function with the
command's name. Errors of the kinds in EXPECTED are shown as one text without a traceback (HELI_DEBUG=1 shows it).
"""

import importlib
import os
import sys
from typing import Annotated

import typer

COMMANDS = {
    "demo": "Carry 200 reports to simulated partners and print a verdict (--reports N, --json FILE, --stop).",
    "up": "Start everything on this machine and stay until Ctrl-C (--detach: return once it is ready).",
    "down": "Stop what `heli up` started. Data stays.",
    "status": "Say of each part whether it is up.",
    "reset": "Delete the local data, keys and logs (asks first).",
    "doctor": "Say what is missing on this machine, and which command repairs it.",
    "key": "Issue (add) and revoke the bearer tokens of partner systems.",
    "report": "File a report from a shell (post) and follow it (progress).",
    "agencies": "Enter agencies from .xlsx or .csv (import), make the directory of a province for trials (province).",
    "joint": "What the joint conference sees: what is overdue, who answered late, who reported late (overdue, answers, reporters, unreported).",
    "rules": "Show, check, compare and ask the decision table (table, check, diff, explain).",
    "calendar": "When does a period end (due --from TIME --working-days N)?",
    "trace": "Print the journey of a report: who was told, who answered, what is due next (CODE, --json).",
    "stats": "Count cases and duties of a region and a period, and late reports (--region CODE --from DATE --to DATE, --json).",
    "parked": "Show what could not be applied and waits (list), and let it go on (release).",
    "topics": "Create the Kafka topics that are missing (apply).",
}
EXPECTED = (RuntimeError, OSError, TimeoutError)

app = typer.Typer(
    name="heli",
    help="合力 Heli: carries a report about a child at risk to every body that owes the child something.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def load(name: str) -> typer.Typer:
    """The real command behind a name of the table."""
    module = importlib.import_module(f"deploy.commands.{name}")
    found = getattr(module, "app", None)
    if isinstance(found, typer.Typer):
        return found
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(name)(getattr(module, name))
    return single


def _register(name: str, summary: str) -> None:
    """A stand-in that knows only its help line, and hands its arguments to the real command."""

    def forward(arguments: Annotated[list[str] | None, typer.Argument()] = None) -> None:
        command = typer.main.get_command(load(name))
        code = command.main(args=arguments or [], prog_name=f"heli {name}", standalone_mode=False)
        if isinstance(code, int) and code:
            raise typer.Exit(code)

    settings = {"ignore_unknown_options": True, "allow_interspersed_args": False}
    app.command(name, help=summary, add_help_option=False, context_settings=settings)(forward)


for _name, _summary in COMMANDS.items():
    _register(_name, _summary)


def main() -> None:
    try:
        app()
    except EXPECTED as reason:
        if os.environ.get("HELI_DEBUG"):
            raise
        print(f"heli: {reason}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
