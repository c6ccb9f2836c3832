"""How do commands ask the services' operator routes, and how is each kind of no told apart? Uses HELI_URL and HELI_OPERATOR."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any, TypeVar

import httpx
import typer

TIMEOUT_SECONDS = 20
PAGE = 200
WRONG_TOKEN, UNKNOWN, INCOMPLETE = 2, 3, 4
UNANSWERABLE = 2
"""Exit codes of the commands that ask: what to do stands in the text beside each."""
Found = TypeVar("Found")


class WrongToken(Exception):  # noqa: N818 - says what happened
    """HELI_OPERATOR is refused; never shows it."""


class NotThere(Exception):  # noqa: N818 - says what happened
    """The service answers, and knows nothing of what was asked for."""


class Silent(Exception):  # noqa: N818 - says what happened
    """The service does not answer as it should; the text says how."""


class Refused(Silent):
    """The service answers, and does not take the question; the text says which part of it, and why."""


class Operator:
    """The four services through their edge, with an operator's bearer."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def ask(
        self, path: str, method: str = "GET", body: dict[str, Any] | None = None, narrowed: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The JSON of a 200. Raises WrongToken, NotThere, Refused or Silent."""
        try:
            answer = await self._http.request(method, path, json=body, params=narrowed)
        except httpx.HTTPError as reason:  # its text may quote a header, and that is the token
            raise Silent(f"does not answer ({type(reason).__name__})") from None
        if answer.status_code in {401, 403}:
            raise WrongToken
        if answer.status_code == 404:  # noqa: PLR2004 - HTTP: not found
            raise NotThere
        if answer.status_code == 422:  # noqa: PLR2004 - HTTP: not understood
            raise Refused(f"does not take the question: {_faults_of(answer)}")
        try:
            found = answer.json() if answer.is_success else None
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise Silent(_status_of(answer))
        return found

    async def pages(self, path: str, narrowed: Mapping[str, str]) -> AsyncIterator[dict[str, Any]]:
        """Every page of a list, from the first to the one that names no next. Raises as `ask` does."""
        place: dict[str, str] = {}
        while True:
            page = await self.ask(path, narrowed={**narrowed, "limit": str(PAGE), **place})
            yield page
            if page["next"] is None:
                return
            place = {"after": page["next"]}


def _faults_of(answer: httpx.Response) -> str:
    try:
        document = answer.json()
        found = "; ".join(f"{fault['pointer'].lstrip('/')}: {fault['detail']} ({fault['rule']})" for fault in document.get("errors", ()))
        return found or str(document["detail"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return _status_of(answer)


def _status_of(answer: httpx.Response) -> str:
    try:
        slug = answer.json()["title"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        slug = answer.reason_phrase
    return f"answers {answer.status_code} {slug}"


def connected() -> httpx.AsyncClient:
    """Raises RuntimeError, with what to type, when the environment does not say whom to ask."""
    url, bearer = (os.environ.get(name) for name in ("HELI_URL", "HELI_OPERATOR"))
    if not url or not bearer:
        raise RuntimeError("HELI_URL and HELI_OPERATOR are not set. Repair: heli up, then: . .heli/env")
    try:
        headers = {"authorization": f"Bearer {bearer}"}
        return httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False)
    except (httpx.InvalidURL, UnicodeEncodeError):
        raise RuntimeError("HELI_URL is no address, or HELI_OPERATOR no token. Repair: . .heli/env") from None


def asked(question: Coroutine[Any, Any, Found]) -> Found:
    """Runs a question to its answer; a token that is refused ends the command with code 2 and what to do."""
    try:
        return asyncio.run(question)
    except WrongToken:
        text = "HELI_OPERATOR is refused: not an operator's token, expired, revoked, or of another installation."
        print(f"heli: {text}\nRepair: . .heli/env (a fresh one is written by every `heli up`), or: heli key add --help", file=sys.stderr)
        raise typer.Exit(WRONG_TOKEN) from None
