"""What does a partner's webhook receiver do in a story? It judges signatures with the official library, remembers, and may refuse."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from standardwebhooks import Webhook

from deploy.local import ports


class _Server(uvicorn.Server):
    """Signals belong to pytest."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Receiver:
    """One HTTP server for all parties of a run; each has its own path and secret."""

    def __init__(self) -> None:
        self.port = ports.pick_one()
        self.secrets: dict[str, str] = {}
        self.taken: dict[str, list[dict[str, Any]]] = {}
        self.attempts: dict[str, list[tuple[str, int]]] = {}
        self.answers: dict[str, Callable[[int], int]] = {}
        self.rejected: list[str] = []
        self.heard: list[dict[str, str]] = []
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None

    def url(self, party: str) -> str:
        return f"http://127.0.0.1:{self.port}/hooks/{party}"

    def of(self, party: str, about: str | None = None) -> list[dict[str, Any]]:
        """What a party has taken, each delivery once."""
        return [body for body in self.taken.get(party, []) if about is None or body["data"]["about"] == about]

    async def start(self) -> None:
        app = FastAPI()

        @app.post("/hooks/{party}")
        async def hook(party: str, request: Request) -> Response:
            return Response(status_code=self._take(party, dict(request.headers), await request.body()))

        self._server = _Server(uvicorn.Config(app, host="127.0.0.1", port=self.port, log_config=None))
        self._task = asyncio.create_task(self._server.serve())
        while not self._server.started:  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.01)

    def _take(self, party: str, headers: dict[str, str], body: bytes) -> int:
        try:
            Webhook(self.secrets[party]).verify(body, headers)
        except Exception as reason:  # noqa: BLE001 - the library raises more than its own error
            self.rejected.append(f"{party}: {type(reason).__name__}")
            return 401
        made = self.attempts.setdefault(party, [])
        made.append((headers["webhook-id"], len(made) + 1))
        self.heard.append(headers)
        answer = self.answers.get(party)
        status = answer(len(made)) if answer else 204
        if status < 300 and headers["webhook-id"] not in [body["id"] for body in self.taken.get(party, [])]:
            self.taken.setdefault(party, []).append({"id": headers["webhook-id"], **json.loads(body)})
        return status

    async def stop(self) -> None:
        if self._server and self._task:
            self._server.should_exit = True
            await self._task
