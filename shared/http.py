"""How does a service speak HTTP? One app factory: problems instead of stack traces, a body limit, one span per request, no echo of values."""

import asyncio
import hashlib
import re
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi import Response as HttpResponse
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as AsgiMessage

from shared import logs, telemetry
from shared.database import AGAIN, AWAY
from shared.errors import Fault, Problem, Unavailable
from shared.gather import Gather
from shared.identity import Caller, Keys
from shared.messages import PROBLEM_TYPE, Message, Response
from shared.settings import Settings

BODY_LIMIT = 256 * 1024
"""Bytes of one request body; at the limit accepted, one more is 413."""
SILENT: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}
"""FastAPI's own telemetry records whole paths (a one-tap link is one) and the texts of exceptions, which may quote values."""
PLAIN = (b"content-type", b"text/plain; charset=utf-8")
KEY_LIMIT = 128
EMERGENCY = "/intake/report"
"""On these paths a refusal for want of a database also says whom to call."""


def create(settings: Settings, routers: list[APIRouter], *, title: str) -> FastAPI:
    """An app whose OpenAPI document is served, but no page that loads anything from elsewhere."""
    prefix = f"/{settings.service}"
    app = Api(
        title=title,
        version="1",
        openapi_url=f"{prefix}/openapi.json",
        docs_url=None,
        redoc_url=None,
        max_body_size=BODY_LIMIT,
        telemetry=SILENT,
        dependencies=[Depends(readable)],
    )
    app.state.settings, app.state.keys = settings, Keys(settings.jwks)
    for router in routers:
        app.include_router(router, prefix=prefix)
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for kind in (*AWAY, *AGAIN):
        app.add_exception_handler(kind, _away)
    app.add_exception_handler(DBAPIError, _read_side)
    app.add_middleware(Edge, prefix=prefix)
    return app


async def readable(request: Request) -> None:
    """No text in path or query may hold U+0000: the database would find it, and then it would be an error of ours."""
    given = (*request.path_params.items(), *request.query_params.multi_items())
    faults = tuple(_fault(_part(name), "nul") for name, value in given if "\0" in str(value))
    if faults:
        raise Problem(422, "invalid", "Some fields break a rule. Nothing was stored.", faults=faults)


class Api(FastAPI):
    """Trap: FastAPI answers what the header says is too large in front of every middleware of ours, as plain text."""

    def build_middleware_stack(self) -> ASGIApp:
        return Outermost(super().build_middleware_stack())


class Outermost:
    """What is answered before, or instead of, the app: `OPTIONS *`, and a body above its limit as every other refusal."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["method"], scope["path"]) == ("OPTIONS", "*"):
            await HttpResponse(status_code=204, headers={"Allow": "GET, HEAD, POST, PUT, DELETE, OPTIONS"})(scope, receive, send)
            return
        replaced = False

        async def said(message: AsgiMessage) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and message["status"] == 413 and PLAIN in message["headers"]:  # noqa: PLR2004 - content too large
                replaced = True
                await _answer(_too_large(scope))(scope, receive, send)
            elif not replaced:
                await send(message)

        await self.app(scope, receive, said)


class Edge:
    """Opens the request's span, and lets no exception text out."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self.app, self.prefix = app, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        parent = dict(scope["headers"]).get(b"traceparent", b"").decode("ascii", "replace")
        span = telemetry.begin(scope["method"], "server", parent=parent)  # no path yet: a stranger's may hold anything
        scope.setdefault("state", {})["traceparent"] = telemetry.traceparent_of(span)
        started = False

        async def noted(message: AsgiMessage) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                route = self._template(scope)
                span.update_name(f"{scope['method']} {route or 'unknown'}")
                span.set_attributes({"http.route": route, "http.response.status_code": message["status"]})
                if message["status"] >= 500:  # noqa: PLR2004 - server errors begin here
                    telemetry.fail(span, str(message["status"]))
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except Exception as reason:  # noqa: BLE001 - answered here: Starlette's own handler raises again what would be printed with its values
            telemetry.fail(span, type(reason).__name__)
            if not started:
                await (await _unknown(Request(scope), reason))(scope, receive, noted)
        finally:
            span.end()

    def _template(self, scope: Scope) -> str:
        """Never the path itself, which may hold a code or a link. FastAPI tells a router's own path, without the prefix."""
        route: str = getattr(scope.get("route"), "path", "")
        return route if not route or route.startswith(f"{self.prefix}/") else self.prefix + route


def _answer(problem: Problem) -> HttpResponse:
    return HttpResponse(problem.body(), problem.status, problem.headers, PROBLEM_TYPE)


async def _problem(_: Request, problem: Any) -> HttpResponse:
    return _answer(problem)


async def _invalid(_: Request, error: Any) -> HttpResponse:
    return _answer(invalid(error))


async def _http(request: Request, error: Any) -> HttpResponse:
    if error.status_code == 413:  # noqa: PLR2004 - content too large
        return _answer(_too_large(request.scope))
    if error.status_code == 400:  # noqa: PLR2004 - what FastAPI makes of a body that could not be parsed, a too deeply nested one too
        return _answer(Problem(400, "body-unreadable", "The body cannot be read: it is not of its content type, or nested too deeply."))
    slug = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "refused")
    return _answer(Problem(error.status_code, slug, "There is no such route or method here; the OpenAPI document lists them."))


def _too_large(scope: Scope) -> Problem:
    limit = getattr(scope.get("route"), "max_body_size", None) or BODY_LIMIT
    return Problem(413, "body-too-large", f"The body may have {limit} bytes.")


async def _away(request: Request, _: Exception) -> HttpResponse:
    return _answer(Unavailable(emergency=request.url.path.startswith(EMERGENCY)))


async def _read_side(request: Request, error: Any) -> HttpResponse:
    """SQLAlchemy wraps what asyncpg says of a connection that broke under it."""
    return await (_away if error.connection_invalidated else _unknown)(request, error)


async def _unknown(request: Request, error: Exception) -> HttpResponse:
    logs.get("http").error("request.failed", route=getattr(request.scope.get("route"), "path", ""), error=type(error).__name__)
    return _answer(
        Problem(500, "internal", "Something of ours is wrong. Nothing was stored; operations can see it. Send the request again later.")
    )


_WORD = re.compile(r"\w{1,40}", re.ASCII)
"""What a pointer may say of a field that we do not know: its name is the caller's text, and may be anything."""


def invalid(error: RequestValidationError | ValidationError) -> Problem:
    """Field and rule of every fault, never a value: pydantic's own text quotes the input."""
    faults = []
    for item in error.errors():
        rule = item["type"] if item["type"] != "value_error" else str(item["ctx"]["error"])
        faults.append(
            _fault("/".join(_part(part) for part in item["loc"] if part not in ("body", "query", "path", "header")), rule, item.get("ctx"))
        )
    return Problem(422, "invalid", "Some fields break a rule. Nothing was stored.", faults=tuple(faults))


def _part(name: object) -> str:
    return str(name) if _WORD.fullmatch(str(name)) else "?"


def _fault(place: str, rule: str, about: dict[str, Any] | None = None) -> Fault:
    """Of a closed list the words that it has: they are ours, and whoever mistyped one needs no second document."""
    if about and rule in ("literal_error", "enum"):
        return Fault(f"/{place}", rule, f"One of {about['expected']}.")
    return Fault(f"/{place}", rule, RULES.get(rule, "See the OpenAPI document for the form of this field."))


RULES: dict[str, str] = {
    "missing": "This field is needed.",
    "extra_forbidden": "This field is not known here.",
    "json_invalid": "The body is not JSON.",
    "moment-range": "A moment must also be one in UTC, in the years 1 to 9999.",
    "nul": "Text may not contain the character U+0000 or lone surrogates.",
}
"""What a person reads beside a rule; a service adds its own."""


def message_of(request: Request) -> str | None:
    """The trace in which this request's work goes on."""
    return getattr(request.state, "traceparent", None)


def said(request: Request, caller: Caller, aggregate: UUID, body: Any, *, received: datetime | None = None) -> Message:
    """What a caller says to an aggregate. Idempotency keys are its unit's own; who of the unit spoke is recorded."""
    return Message(
        body=body,
        aggregate=aggregate,
        source=f"unit:{caller.party}",
        actor=f"{caller.party}/{caller.role}",
        traceparent=message_of(request),
        received=received,
    )


async def keyed(request: Request, message: Message, *, required: bool = True) -> Message:
    """Gives a message the Idempotency-Key of its request, and the hash of method, path and body that it stands for."""
    key = request.headers.get("idempotency-key", "")
    if not key and required:
        raise Problem(
            400, "idempotency-key-missing", "Send an Idempotency-Key header, new for each new request, the same when you repeat one."
        )
    if not key:
        return message
    if len(key) > KEY_LIMIT or not key.isascii() or not key.isprintable():
        raise Problem(400, "idempotency-key-malformed", f"An Idempotency-Key has 1 to {KEY_LIMIT} printable ASCII characters.")
    body = await request.body()
    digest = hashlib.sha256(b"\n".join((request.method.encode(), request.url.path.encode(), body))).digest()
    return msgspec.structs.replace(message, id=key, digest=digest)


async def enter(door: Gather, message: Message, *, emergency: bool = False) -> Response:
    """Hands one message to the room, together with whoever else waits. A lost connection is tried again: the key, or the leg's state, makes that harmless."""
    for attempt in range(3):
        try:
            return await door.enter(message)
        except AWAY:
            await asyncio.sleep(0.2 * 2**attempt)
        except Unavailable:
            break
    raise Unavailable(emergency=emergency)


def reply(response: Response) -> HttpResponse:
    later = {"Retry-After": "2"} if response.status == 404 else None  # noqa: PLR2004 - as NotFound says: the right may be on its way
    return HttpResponse(response.body, response.status, later, media_type=response.content_type)
