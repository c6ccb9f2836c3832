"""Is whatever a stranger puts into a request refused by its place and rule, never by a fault of ours?"""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, Query
from pydantic import BaseModel, TypeAdapter, ValidationError

from deploy.local import edge
from shared import http, paging
from shared.errors import Problem
from shared.http import BODY_LIMIT
from shared.moments import Instant
from shared.settings import Settings

router = APIRouter()


class Sent(BaseModel):
    """Whatever."""

    value: Any = None
    at: Instant | None = None
    word: Literal["this", "that"] = "this"


@router.post("/sent")
async def sent(body: Sent) -> dict[str, str]:
    return {"taken": type(body.value).__name__}


@router.post("/large", max_body_size=2 * BODY_LIMIT)
async def large(body: Sent) -> dict[str, str]:
    return {"taken": type(body.value).__name__}


@router.get("/named/{name}")
async def named(name: str, other: Annotated[str | None, Query()] = None) -> dict[str, Any]:
    return {"name": name, "other": other}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(service="toy", database_url="", kafka="", jwks=Path("/nonexistent"))
    app = http.create(settings, [router], title="toy")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://heli/toy") as client:
        yield client


def shown(answer: httpx.Response) -> tuple[int, str, list[tuple[str, str]]]:
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    return answer.status_code, told["title"], [(fault["pointer"], fault["rule"]) for fault in told.get("errors", ())]


@pytest.mark.parametrize(
    ("path", "pointer"),
    [("named/a%00b", "/name"), ("named/%00", "/name"), ("named/a?other=%00", "/other"), ("named/a?none=x%00", "/none"), ("named/a?%C3%A9=%00", "/?")],
)  # fmt: skip
async def test_no_text_of_path_or_query_holds_u0000(client: httpx.AsyncClient, path: str, pointer: str) -> None:
    assert shown(await client.get(path)) == (422, "invalid", [(pointer, "nul")])
    assert (await client.get("named/a%01b?other=%FF")).status_code == 200


@pytest.mark.parametrize("depth", [1_000, 5_000, 100_000])
@pytest.mark.parametrize("part", ["[", '{"a":'])
@pytest.mark.parametrize("ends", [True, False])
async def test_a_body_that_is_nested_too_deeply_is_refused(client: httpx.AsyncClient, depth: int, part: str, *, ends: bool) -> None:
    depth = min(depth, 100_000 // len(part))
    close = {"[": "]", '{"a":': "}"}[part]
    text = '{"value":' + part * depth + "1" + close * depth + "}" if ends else part * depth
    answer = await client.post("sent", content=text.encode(), headers={"content-type": "application/json"})
    assert (answer.status_code, shown(answer)[1]) == (400, "body-unreadable")


@pytest.mark.parametrize(("path", "limit"), [("sent", BODY_LIMIT), ("large", 2 * BODY_LIMIT)])
@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_of_its_limit_is_read_and_a_larger_one_refused_like_everything(
    client: httpx.AsyncClient, path: str, limit: int, *, declared: bool
) -> None:
    def body(size: int) -> Any:
        whole = json.dumps({"value": "x"}).encode().ljust(size)
        return whole if declared else parts(whole)

    kind = {"content-type": "application/json"}
    assert (await client.post(path, content=body(limit), headers=kind)).status_code == 200
    answer = await client.post(path, content=body(limit + 1), headers=kind)
    assert shown(answer) == (413, "body-too-large", [])
    assert str(limit) in answer.json()["detail"]


async def parts(whole: bytes) -> AsyncIterator[bytes]:
    yield whole[:1000]
    yield whole[1000:]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("9999-12-31T23:59:59-08:00", "moment-range"),
        ("0001-01-01T00:00:00+08:00", "moment-range"),
        ("9999-12-31T23:59:59Z", None),
        ("2026-11-24T10:00:00", "timezone_aware"),
    ],
)
async def test_a_moment_that_is_none_in_utc_is_refused(client: httpx.AsyncClient, text: str, rule: str | None) -> None:
    answer = await client.post("sent", json={"at": text})
    assert answer.status_code == (422 if rule else 200)
    assert [("/at", rule)] * bool(rule) == (shown(answer)[2] if rule else [])


def test_a_moment_that_is_taken_is_one_in_utc() -> None:
    found: datetime = TypeAdapter(Instant).validate_python("2026-11-24T10:00:00+08:00")
    assert (found.tzinfo, found.hour) == (UTC, 2)
    with pytest.raises(ValidationError):
        TypeAdapter(Instant).validate_python("x")


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-08:00", "2026-11-24T10:00:00", "x", ""])
def test_a_cursor_that_we_did_not_give_out_is_refused(at: str) -> None:
    import base64

    text = base64.urlsafe_b64encode(f"{at}|{UUID(int=1)}".encode()).decode()
    with pytest.raises(Problem) as caught:
        paging.position(text)
    assert caught.value.status == 422


async def test_the_server_itself_is_asked_what_it_takes() -> None:
    settings = Settings(service="toy", database_url="", kafka="", jwks=Path("/nonexistent"))
    for app in (http.create(settings, [router], title="toy"), edge.application({"toy": "http://127.0.0.1:9"})):
        for method, status in (("OPTIONS", 204), ("GET", 404)):
            said: list[Any] = []

            async def send(message: Any, said: list[Any] = said) -> None:
                said.append(message)

            async def receive() -> Any:
                return {"type": "http.request", "body": b"", "more_body": False}

            scope = {"type": "http", "http_version": "1.1", "method": method, "path": "*", "raw_path": b"*", "query_string": b"", "scheme": "http"}  # fmt: skip
            await app(scope | {"headers": [], "server": ("heli", 80), "client": None, "root_path": ""}, receive, send)
            headers = dict(said[0]["headers"])
            assert said[0]["status"] == status
            assert (b"allow" in headers) if status == 204 else headers[b"content-type"] == b"application/problem+json"


async def test_a_word_outside_of_a_closed_list_is_answered_with_the_list_and_not_with_the_word(client: httpx.AsyncClient) -> None:
    answer = await client.post("/sent", json={"word": "secret"})
    (fault,) = answer.json()["errors"]
    assert (answer.status_code, fault["rule"], fault["detail"]) == (422, "literal_error", "One of 'this' or 'that'.")
    assert "secret" not in answer.text
