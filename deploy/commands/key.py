"""How does a partner system get its bearer token, and how is one taken away?"""

from typing import Annotated

import typer

from deploy import keys
from deploy.local.state import State

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Bearer tokens of partner systems.")


@app.command()
def add(
    *,
    kind: Annotated[str, typer.Option(help=f"One of: {', '.join(keys.KINDS)}.")],
    party: Annotated[str, typer.Option(help="Code of the agency or reporter unit.")],
    region: Annotated[str, typer.Option(help="12-digit division code.")],
    department: Annotated[str | None, typer.Option(help=f"Agencies only. One of: {', '.join(keys.DEPARTMENTS)}.")] = None,
    reporter_kind: Annotated[str | None, typer.Option(help=f"Reporters only. One of: {', '.join(keys.REPORTER_KINDS)}.")] = None,
    role: Annotated[str, typer.Option(help="What its holder is there: system, duty_officer, operator, ...")] = "system",
    days: Annotated[float, typer.Option(help="Days until it expires.")] = keys.DAYS,
) -> None:
    """Print a new token, once: it is stored nowhere. Its id, for `heli key revoke`, goes to standard error."""
    try:
        claims = keys.Claims(
            kind=kind, party=party, region=region, department=department, reporter_kind=reporter_kind, role=role, days=days
        )
    except ValueError as reason:
        raise typer.BadParameter(f"{reason}. See: heli key add --help") from reason
    state = State()
    state.prepare()
    token = state.token(claims)
    print(token)
    typer.echo(f"token id: {keys.token_id(token)}", err=True)


@app.command()
def revoke(jti: Annotated[str, typer.Argument(help="The token id that `heli key add` told.")]) -> None:
    """Refuse a token from now on; the services hear of it within 5 seconds."""
    state = State()
    if not state.jwks.exists():
        raise RuntimeError(f"There is no key file in {state.home}. Repair: heli up")
    keys.revoke(state.jwks, jti)
    print(f"Revoked: {jti}")
