"""Time: what is swept, and what does the send door perform? The runtime sweeps both rooms; attempts that a sweep leased are made here."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Sequence

from opentelemetry.trace import Span

from services.notification.channels.webhook import BUSY, GONE, Attempt, Limits, Outcome, Webhooks
from services.notification.domain import Sending, endpoint_id
from services.notification.handlers import AttemptEnded, EndpointGone
from shared import logs, telemetry
from shared.errors import Unavailable
from shared.linger import linger
from shared.messages import Message, Response
from shared.patience import patiently
from shared.room import TRANSIENT, Room
from shared.settings import Settings

LIMITS = Limits(wait=25.0)
"""Waiting and exchange together end before `LEASE`, or every slow attempt would be made twice."""
UNDER_WAY, SHARE = 4000, 3
"""Attempts at once, most of them waiting for their host's turn. A party has at most a third as many as are free meanwhile: one alone
1,000, each of seven slow ones 400, and as many are left for the next. One more is left to its lease, which makes it again."""
GATHERED = 200
"""Outcomes of one transaction: one for each would cost more than the attempt."""
DRAIN_SECONDS = 12.0


def webhooks(settings: Settings) -> Webhooks:
    return Webhooks(settings.webhook_networks, limits=LIMITS)


class Sender:
    """The fourth door. Performs attempts after the commit that leased them and brings each outcome back as a message.

    What is lost here (full, busy, stopped, killed) is no loss: the lease passes and the next attempt has the same id, by which its
    receiver knows it again. It counts as no failure: nobody was asked, or what he answered is not known.
    """

    def __init__(self, notices: Room, endpoints: Room, channel: Webhooks) -> None:
        self.notices, self.endpoints, self.channel = notices, endpoints, channel
        self._attempts: dict[asyncio.Task[None], str] = {}
        self._outcomes: asyncio.Queue[Message] = asyncio.Queue()
        self._bringing: asyncio.Task[None] | None = None
        self._open = True

    def take(self, sends: Sequence[Sending]) -> None:
        """Begins the attempts of one sweep. Never waits: the time door must go on."""
        if self._bringing is None:
            self._bringing = asyncio.create_task(self._bring(), name="send")
        of, left = Counter(self._attempts.values()), 0
        for sending in sends:
            if not self._open or of[sending.party] >= (UNDER_WAY - len(self._attempts)) // SHARE:
                left += 1
                continue
            task = asyncio.create_task(self._perform(sending))
            self._attempts[task] = sending.party
            of[sending.party] += 1
            task.add_done_callback(self._attempts.pop)
        if left:
            logs.get("send").warning("send.full", count=left)

    async def settled(self) -> None:
        """Returns when every attempt that was taken has ended and its outcome has had its effect."""
        await asyncio.gather(*self._attempts, return_exceptions=True)
        await self._outcomes.join()

    async def drain(self) -> None:
        """Lets what is under way end and brings it back; what takes too long is left to its lease."""
        self._open = False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                await self.settled()
        for task in (*self._attempts, *([self._bringing] if self._bringing else [])):
            task.cancel()
        await self.channel.aclose()

    async def _perform(self, sending: Sending) -> None:
        span = _span(sending)
        try:
            outcome = await self.channel.perform(_attempt(sending, span))
            _mark(span, outcome)
        finally:
            span.end()
        if outcome.error == BUSY:
            return
        trace = telemetry.traceparent_of(span)
        if outcome.status == GONE:
            gone = Message(body=EndpointGone(sending.url), aggregate=endpoint_id(sending.party), actor="send", traceparent=trace)
            await _hand(self.endpoints, [gone])
        ended = AttemptEnded(delivery=sending.delivery, attempt=sending.number, error=outcome.error, retry_after=outcome.retry_after or 0.0)
        self._outcomes.put_nowait(Message(body=ended, aggregate=sending.notice, actor="send", traceparent=trace))

    async def _bring(self) -> None:
        """Outcomes that came meanwhile share a transaction."""
        while True:
            batch, began = [await self._outcomes.get()], time.monotonic()
            while len(batch) < GATHERED and not self._outcomes.empty():
                batch.append(self._outcomes.get_nowait())
            await _hand(self.notices, batch)
            for _ in batch:
                self._outcomes.task_done()
            if self._outcomes.qsize() < GATHERED:
                await linger(began, len(batch))


async def _hand(room: Room, messages: Sequence[Message]) -> None:
    """Waits out what is transient. What is refused, or fails for a reason that we do not know, is dropped alone: its lease passes."""
    left = list(messages)

    async def handed() -> None:
        nonlocal left
        outcomes = await _outcomes(room, left)
        for message, outcome in zip(left, outcomes, strict=True):
            if isinstance(outcome, Exception) and not isinstance(outcome, TRANSIENT):
                logs.get("send").error("send.dropped", kind=room.kind.name, reference=str(message.aggregate), error=type(outcome).__name__)
        left = [message for message, outcome in zip(left, outcomes, strict=True) if isinstance(outcome, TRANSIENT)]
        if left:
            raise Unavailable

    await patiently("send", handed)


async def _outcomes(room: Room, messages: Sequence[Message]) -> list[Response | Exception]:
    """What became of each. When an unknown error takes all of them, each is tried by itself."""
    try:
        return await room.outcomes(messages)
    except TRANSIENT:
        raise
    except Exception as reason:  # noqa: BLE001 - an outcome that we cannot record must not keep all others from being recorded
        if len(messages) == 1:
            return [reason]
    return [outcome for message in messages for outcome in await _outcomes(room, [message])]


def _span(sending: Sending) -> Span:
    """The first attempt goes on with the trace of what is told; a later one is an act of its own and links back. No address."""
    first = sending.number == 1
    labels = {"heli.report": sending.report and str(sending.report), "heli.case": sending.case and str(sending.case)}
    return telemetry.begin(
        "POST webhook",
        "client",
        parent=sending.cause if first else None,
        links=() if first else (sending.cause,),
        attributes={**labels, "http.request.method": "POST", "http.request.resend_count": sending.number - 1 or None},
    )


def _attempt(sending: Sending, span: Span) -> Attempt:
    return Attempt(
        id=str(sending.delivery),
        number=sending.number,
        url=sending.url,
        secrets=sending.secrets,
        body=sending.body,
        traceparent=telemetry.traceparent_of(span) or None,
    )


def _mark(span: Span, outcome: Outcome) -> None:
    if outcome.status is not None:
        span.set_attribute("http.response.status_code", outcome.status)
    if outcome.error is not None:
        telemetry.fail(span, outcome.error)
