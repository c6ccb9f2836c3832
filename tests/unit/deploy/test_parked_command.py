"""Does `heli parked release` go on until nothing of a stream waits, and stop when it gets no further?"""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from deploy.commands import parked

Answers = dict[str, list[tuple[int, dict[str, Any]]]]


@pytest.fixture
def asks(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answers], list[str]]:
    """Each service gives its answers in turn, then has nothing of the stream any more."""

    def answering(answers: Answers) -> list[str]:
        asked: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            name = request.url.path.split("/")[1]
            asked.append(name)
            status, document = answers[name].pop(0) if answers.get(name) else (404, {})
            return httpx.Response(status, content=json.dumps(document))

        monkeypatch.setattr(parked, "connected", lambda: httpx.AsyncClient(base_url="http://heli", transport=httpx.MockTransport(answer)))
        return asked

    return answering


def outcome(released: int, waiting: int, stopped: str | None = None) -> tuple[int, dict[str, Any]]:
    return 200, {"released": released, "parked": waiting, "stopped_by": stopped}


@pytest.mark.parametrize(
    ("answers", "code", "said", "asked"),
    [
        ([outcome(500, 620), outcome(500, 120), outcome(120, 0)], 0, "1120 released, nothing of it is parked any more.", 3),
        ([outcome(500, 620), outcome(3, 617, "unknown-report")], 1, "503 released, 617 still parked; the first is refused again", 2),
        ([outcome(500, 620), outcome(500, 620)], 1, "1000 released, 620 still parked; more came meanwhile", 2),
        ([outcome(0, 4, "contract")], 1, "0 released, 4 still parked; the first is refused again: contract.", 1),
    ],
)
def test_a_service_is_asked_again_as_long_as_there_is_less(
    asks: Callable[[Answers], list[str]], answers: list[tuple[int, dict[str, Any]]], code: int, said: str, asked: int
) -> None:
    found = asks({"intake": answers})
    shown = CliRunner().invoke(parked.app, ["release", "stream"])
    assert (shown.exit_code, found.count("intake")) == (code, asked)
    assert f"intake: {said}" in shown.output


@pytest.mark.parametrize("document", [{}, {"released": 1}, {"parked": []}])
def test_an_answer_of_another_kind_is_named_and_ends_nothing_with_a_traceback(
    asks: Callable[[Answers], list[str]], document: dict[str, Any]
) -> None:
    asks({"referral": [(200, document)], "intake": [outcome(1, 0)]})
    shown = CliRunner().invoke(parked.app, ["release", "stream"])
    assert (shown.exit_code, "intake: 1 released" in shown.output) == (4, True)
    assert "referral: answers something else" in shown.output + shown.stderr
