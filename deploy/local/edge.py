"""How do four services look like one address? A small reverse proxy on loopback, one path prefix per service."""

import argparse
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from shared.errors import Problem, Unavailable
from shared.unanswered import unanswered

# RFC 9110 7.6.1: these belong to one connection, not to the message.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
EMERGENCY = ("POST", "/intake/reports")
TIMEOUT = httpx.Timeout(60.0, connect=2.0)


def application(targets: Mapping[str, str]) -> Starlette:
    """`targets`: path prefix without the slash -> base URL of its service."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        # No connection is kept: one kept over a service's restart fails on the next request, and a POST cannot be sent again blindly.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx.AsyncClient(limits=limits, trust_env=False) as client:
            app.state.client = client
            yield

    async def forward(request: Request) -> Response:
        base = targets.get(_prefix(request))
        if base is None:
            known = ", ".join(f"/{name}" for name in targets)
            return _refusal(Problem(404, "not-found", f"No service answers here; the known prefixes are {known}."))
        try:
            return await _pass_on(request.app.state.client, request, base)
        except (httpx.HTTPError, AttributeError) as reason:
            if not unanswered(reason):
                raise
            return _away(request)

    async def about(_: Request) -> Response:
        return JSONResponse({"services": [f"/{name}" for name in targets]})

    routes = [Route("/", about), Route("/{path:path}", forward, methods=METHODS)]
    return Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: _unfit})


def _unfit(request: Request, error: Any) -> Response:
    """What is no path at all, or a method that goes nowhere. `OPTIONS *` asks the server itself what it takes (RFC 9110 9.3.7)."""
    if (request.method, request.scope["path"]) == ("OPTIONS", "*"):
        return Response(status_code=204, headers={"Allow": ", ".join(METHODS)})
    slug = {404: "not-found", 405: "method-not-allowed"}.get(error.status_code, "refused")
    return _refusal(Problem(error.status_code, slug, "No service answers here.", headers=dict(error.headers or {})))


async def _pass_on(client: httpx.AsyncClient, request: Request, base: str) -> Response:
    path = request.scope["raw_path"].decode("latin-1")  # as the caller wrote it: decoding and encoding again could change it
    query = request.scope["query_string"].decode("latin-1")
    outgoing = httpx.Request(  # not the client's build_request, which would add headers of its own
        request.method,
        f"{base}{path}{'?' + query if query else ''}",
        headers=[(name, value) for name, value in request.headers.raw if name.decode("latin-1") not in HOP_BY_HOP],
        content=request.stream() if {"content-length", "transfer-encoding"} & set(request.headers) else None,
        extensions={"timeout": TIMEOUT.as_dict()},
    )
    answer = await client.send(outgoing, stream=True)
    response = StreamingResponse(_stream(answer), status_code=answer.status_code)
    response.raw_headers = [(name.lower(), value) for name, value in answer.headers.raw if name.lower().decode("latin-1") not in HOP_BY_HOP]
    return response


async def _stream(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for part in answer.aiter_raw():
            yield part
    finally:
        await answer.aclose()


def _away(request: Request) -> Response:
    name = _prefix(request)
    if (request.method, request.url.path) == EMERGENCY:
        return _refusal(Unavailable("Nobody confirmed the report. Send it again with the same Idempotency-Key.", emergency=True))
    return _refusal(Unavailable(f"The service {name} does not answer just now. Try again; `heli status` shows what runs."))


def _prefix(request: Request) -> str:
    return request.url.path.split("/")[1]


def _refusal(problem: Problem) -> Response:
    return Response(problem.body(), problem.status, problem.headers, media_type="application/problem+json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("targets", nargs="+", metavar="PREFIX=URL")
    options = parser.parse_args()
    targets = dict(target.split("=", 1) for target in options.targets)
    uvicorn.run(
        application(targets),
        host="127.0.0.1",
        port=options.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
    )


if __name__ == "__main__":
    main()
