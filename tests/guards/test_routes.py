"""Does every route of every service, as it is really built, state who may call it (design, section 6)?"""

import inspect
from collections.abc import AsyncIterator, Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from shared.http import create
from shared.identity import Allow, Caller
from shared.runtime import Service
from shared.settings import Settings
from tests.guards.sources import ROOT, SERVICES, Fault, shown

NOWHERE = {"database_url": "postgresql://nobody@127.0.0.1:1/none", "kafka": "127.0.0.1:1", "child_key": b"a key", "link_key": "a key"}
OPEN = {"/live", "/ready", "/report", "/links/{token}"}
"""Routes that are open to everybody, on purpose: liveness, the form (its link is the right), the one-tap link."""


def statements(dependant: Dependant) -> Iterator[Allow]:
    """Every `Allow` on which a route hangs, at any depth."""
    if isinstance(dependant.call, Allow):
        yield dependant.call
    for inner in dependant.dependencies:
        yield from statements(inner)


def routes(app: FastAPI) -> Iterator[Any]:
    yield from (route for route in iter_route_contexts(app.routes) if route.path != app.openapi_url)


def faults_in(app: FastAPI) -> Iterator[Fault]:
    for route in routes(app):
        dependant = getattr(route, "dependant", None)
        if dependant is None:
            yield Fault(*place_of(route.endpoint), f"{route.path} is no route that can state its caller")
        elif not list(statements(dependant)):
            yield Fault(*place_of(route.endpoint), f"{sorted(route.methods)} {route.path} does not state who may call it")


def place_of(function: Any) -> tuple[str, int]:
    path = Path(inspect.getsourcefile(inspect.unwrap(function)) or "?")
    line = inspect.getsourcelines(function)[1]
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name, line


@pytest.fixture(params=SERVICES)
async def service(request: pytest.FixtureRequest) -> AsyncIterator[Service]:
    """A service as its `app.py` joins it; nothing is connected."""
    name = request.param
    built: Service = await import_module(f"services.{name}.app").build(Settings(service=name, **NOWHERE))  # type: ignore[arg-type]
    yield built
    await built.api.state.engine.dispose()
    if built.drain is not None:
        await built.drain()
    await built.pool.close()


async def test_every_route_states_who_may_call_it(service: Service) -> None:
    assert shown(faults_in(service.api)) == []


async def test_the_guard_sees_routes_of_every_kind(service: Service) -> None:
    prefix = f"/{service.settings.service}"
    seen = {route.path for route in routes(service.api)}
    assert {f"{prefix}/live", f"{prefix}/operator/parked"} < seen


async def test_only_these_routes_are_open_to_everybody(service: Service) -> None:
    for route in routes(service.api):
        if any(not allow.kinds for allow in statements(route.dependant)):
            assert route.path.removeprefix(f"/{service.settings.service}") in OPEN


def planted(router: APIRouter) -> FastAPI:
    return create(Settings(service="toy", database_url="", kafka=""), [router], title="Toy")


def test_a_planted_route_that_does_not_is_named() -> None:
    router = APIRouter()

    @router.get("/right")
    async def right(_: Annotated[Caller, Depends(Allow("agency"))]) -> None: ...

    @router.get("/open", dependencies=[Depends(Allow())])
    async def everybody() -> None: ...

    @router.post("/children/{child}")
    async def forgotten(child: str) -> None: ...

    line = inspect.getsourcelines(forgotten)[1]
    rule = "['POST'] /toy/children/{child} does not state who may call it"
    assert shown(faults_in(planted(router))) == [f"tests/guards/test_routes.py:{line}: {rule}"]


def test_a_planted_router_within_a_router_is_seen() -> None:
    inner, outer = APIRouter(), APIRouter()

    @inner.get("/a")
    async def forgotten(_: Annotated[str, Depends(lambda: "who?")]) -> None: ...

    outer.include_router(inner, prefix="/b")
    assert [fault.rule for fault in faults_in(planted(outer))] == ["['GET'] /toy/b/a does not state who may call it"]


def test_an_allow_behind_another_dependency_counts() -> None:
    router = APIRouter()

    def township(caller: Annotated[Caller, Depends(Allow("agency"))]) -> Caller:
        return caller

    @router.get("/a")
    async def right(_: Annotated[Caller, Depends(township)]) -> None: ...

    assert shown(faults_in(planted(router))) == []


def test_a_route_past_fastapi_is_named() -> None:
    app = planted(APIRouter())

    async def raw(_: Request) -> Response:
        return Response()

    app.router.add_route("/raw", raw)
    assert [fault.rule for fault in faults_in(app)] == ["/raw is no route that can state its caller"]
