"""How does a party say by HTTP how it is reached, and what does an operator see of deliveries?"""

import re
from typing import Annotated, Any
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Header, Path, Request
from fastapi import Response as HttpResponse
from pydantic import BaseModel, ConfigDict, Field

from services.notification import store
from services.notification.channels.guard import AddressDenied, check_url
from services.notification.channels.webhook import new_secret
from services.notification.domain import agency_notice_id, endpoint_id
from services.notification.handlers import ANY_VERSION, Configure, SendTest
from shared.errors import Fault, NotFound, Problem
from shared.gather import Gather
from shared.http import enter, keyed, message_of, reply
from shared.identifiers import uuid7
from shared.identity import Allow, Caller
from shared.messages import Message, Response

URL_LIMIT = 2000
_ETAG = re.compile(r'"([0-9]{1,9})"')

router = APIRouter(tags=["notification"])
Anybody = Annotated[Caller, Depends(Allow("agency", "reporter", "operator"))]
Operator = Annotated[Caller, Depends(Allow("operator"))]
Party = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class WebhookTarget(BaseModel):
    """Where signed webhooks go: https, on port 443, to a public address."""

    model_config = ConfigDict(extra="forbid")
    url: str = Field(max_length=URL_LIMIT)


class EndpointForm(BaseModel):
    """The whole endpoint as it shall be: a webhook or none, the party's own topic or not."""

    model_config = ConfigDict(extra="forbid")
    webhook: WebhookTarget | None
    feed: bool = False
    rotate_secret: bool = False


@router.put("/endpoints/{party}", responses={201: {"description": "Created; the secret is shown this once."}})
async def put_endpoint(
    party: Party, form: EndpointForm, request: Request, caller: Anybody, if_match: Annotated[str | None, Header()] = None
) -> HttpResponse:
    """Creates or replaces how a party is reached. `secret` is in the answer once, when it is new. An edit needs `If-Match`."""
    _own(caller, party)
    if form.feed and caller.kind == "reporter":
        raise _refused("/feed", "feed-for-agencies", "Only an agency has a topic of its own.")
    if form.webhook is not None:
        _check(form.webhook.url, request)
    body = Configure(
        party=party,
        url=form.webhook.url if form.webhook else None,
        feed=form.feed,
        rotate=form.rotate_secret,
        secret=new_secret(),
        expected=_expected(if_match),
        reporter=caller.kind == "reporter",
    )
    message = Message(body=body, aggregate=endpoint_id(party), source=caller.party, actor=_actor(caller), traceparent=message_of(request))
    room: Gather = request.app.state.endpoints
    return _tagged(await enter(room, message))


@router.get("/endpoints/{party}")
async def get_endpoint(party: Party, request: Request, caller: Anybody) -> HttpResponse:
    """How a party is reached; never its secret."""
    _own(caller, party)
    found = await store.endpoint(request.app.state.pool, party)
    if found is None:
        raise NotFound
    return _tagged(Response.json(200, found.shown()))


@router.post("/endpoints/{party}/test", status_code=202)
async def send_test(party: Party, request: Request, caller: Anybody) -> HttpResponse:
    """Sends a test notice through every channel of the party, exactly as a real one goes. Twice with one Idempotency-Key sends one."""
    _own(caller, party)
    body = SendTest(party, uuid7())
    aggregate = agency_notice_id(party)
    message = Message(body=body, aggregate=aggregate, source=caller.party, actor=_actor(caller), traceparent=message_of(request))
    room: Gather = request.app.state.notices
    return reply(await enter(room, await keyed(request, message, required=False)))


@router.get("/operator/deliveries/{report}")
async def deliveries(report: UUID, request: Request, _: Operator) -> HttpResponse:
    """Every delivery of a report and of its legs: who, through what, how often tried, what is next. No address, no content."""
    found = await store.deliveries_of(request.app.state.engine, report)
    return reply(Response.json(200, {"deliveries": [_shown(notice, delivery) for notice, delivery in found]}))


def _shown(notice: Any, delivery: Any) -> dict[str, Any]:
    return {
        "delivery": delivery.id,
        "notice": notice.id,
        "leg": notice.id if notice.agency else None,
        "case": notice.case_id,
        "event": delivery.event,
        "about": delivery.about,
        "party": delivery.party,
        "channel": delivery.channel,
        "state": delivery.state,
        "attempts": delivery.attempt,
        "last_error": delivery.last_error,
        "created_at": delivery.created_at,
        "delivered_at": delivery.delivered_at,
        "next_due": delivery.due,
    }


def _own(caller: Caller, party: str) -> None:
    """Another party's endpoint is as if it did not exist."""
    if caller.kind != "operator" and caller.party != party:
        raise NotFound


def _actor(caller: Caller) -> str:
    return f"{caller.kind}/{caller.party}"


def _check(url: str, request: Request) -> None:
    try:
        check_url(url, request.app.state.settings.webhook_networks)
    except AddressDenied as denied:
        text = "A webhook goes by https, on port 443, to a public address, without user name or blanks."
        raise _refused("/webhook/url", f"url-{denied.rule}", text) from None


def _refused(pointer: str, rule: str, text: str) -> Problem:
    return Problem(422, "invalid", "Some fields break a rule. Nothing was stored.", faults=(Fault(pointer, rule, text),))


def _expected(if_match: str | None) -> int | None:
    if if_match is None:
        return None
    if if_match.strip() == "*":
        return ANY_VERSION
    found = _ETAG.fullmatch(if_match.strip())
    if found is None:
        raise Problem(400, "if-match-malformed", "If-Match holds the ETag of the endpoint as it was given, with its quotes.")
    return int(found[1])


def _tagged(response: Response) -> HttpResponse:
    """The version is the ETag. A secret may be in the body: nobody keeps it on the way."""
    answer = reply(response)
    answer.headers["Cache-Control"] = "no-store"
    if response.status < 300:  # noqa: PLR2004 - the answer is an endpoint
        answer.headers["ETag"] = f'"{msgspec.json.decode(response.body)["version"]}"'
    return answer
