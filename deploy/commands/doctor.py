"""What does a person read who asks why Heli does not start?"""

import typer

from deploy.local.doctor import examine
from deploy.local.state import State

MARKS = {"ok": "ok      ", "warning": "warning ", "blocks": "BLOCKS  "}


def doctor() -> None:
    """Look at this machine; exit code 1 when something keeps Heli from starting."""
    findings = examine(State())
    for finding in findings:
        print(f"  {MARKS[finding.state]}{finding.what}")
        if finding.repair:
            print(f"          repair: {finding.repair}")
    if any(finding.state == "blocks" for finding in findings):
        raise typer.Exit(1)
