"""Are the services' answers summed right, is what nobody answered null, and what does the command ask?"""

import json
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from deploy.cli import app
from deploy.commands import stats as command
from deploy.commands.stats import summed

WORDS = ("stats", "--region", "230104", "--from", "2026-11-01", "--to", "2026-11-30")


def leg(count: int, **more: Any) -> dict[str, Any]:
    plain = {"responsibility": "hukou", "duty": "hukou_registration", "grade": "green", "state": "issued", "outcome": None}
    return {**plain, "overdue": False, "missed": False, **more, "count": count}


REFERRAL = {
    "rules": "a" * 64,
    "responsibilities": [{"responsibility": "hukou", "title": "户口登记"}, {"responsibility": "dropout_control", "title": "控辍保学"}],
    "cases": [{"grade": "green", "state": "open", "count": 3}, {"grade": "green", "state": "closed", "count": 2}],
    "legs": [
        leg(2),
        leg(1, overdue=True, missed=True),
        leg(4, state="fulfilled", outcome="hukou_registered", missed=True),
        leg(1, responsibility="none", duty="joint_review", grade="red"),
    ],
}
UNIT = {"party": "school-1", "reporter_kind": "school", "reports": 3, "late": 1, "median_seconds": 60.0, "longest_seconds": 7260.0}
CALM = {**UNIT, "party": "school-0", "reports": 9, "late": 0}


def page(unit: dict[str, Any], following: str | None) -> dict[str, Any]:
    return {"late_after": {"with_situation_seconds": 7200.0, "basis": "local"}, "units": [unit], "next": following}


class Services:
    """What the edge answers: counts of referral, two pages of intake."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.silent: set[str] = set()
        self.refused: dict[str, str] | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        service = request.url.path.split("/")[1]
        if self.refused:
            return httpx.Response(422, json={"title": "invalid", "detail": "Nothing can be counted.", "errors": [self.refused]})
        if service in self.silent:
            return httpx.Response(503, json={"title": "unavailable"})
        if service == "referral":
            return httpx.Response(200, json=REFERRAL)
        return httpx.Response(200, json=page(UNIT, None) if "after" in request.url.params else page(CALM, "x"))


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Services:
    found = Services()
    monkeypatch.setattr(command, "connected", lambda: httpx.AsyncClient(base_url="http://heli", transport=httpx.MockTransport(found)))
    return found


def heli(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_counts_are_summed_by_each_thing_that_is_counted() -> None:
    found = summed({"referral": REFERRAL})
    assert found["cases"] == {"total": 5, "grade": {"green": 5}, "state": {"closed": 2, "open": 3}}
    legs = found["legs"]
    assert (legs["total"], legs["overdue"], legs["missed"]) == (8, 1, 5)
    assert (legs["outcome"], legs["state"]) == ({"hukou_registered": 4}, {"fulfilled": 4, "issued": 4})
    assert legs["responsibility"] == {"hukou": 7, "none": 1}
    assert [(row["title"], row["total"], row["overdue"]) for row in found["responsibilities"]] == [("户口登记", 7, 1), ("控辍保学", 0, 0)]
    assert [row["responsibility"] for row in found["responsibilities"]] == ["hukou", "dropout_control"], "a program reads the code"
    assert found["reporting"] is None, "not known is not zero"


def test_the_command_asks_for_whole_days_in_china_and_reads_every_page(services: Services) -> None:
    done = heli(*WORDS, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["from"], found["to"], found["legs"]["total"], found["missing"]) == ("2026-11-01", "2026-11-30", 8, {})
    reporting = found["reporting"]
    assert (reporting["reports"], reporting["late"]) == (12, 1)
    assert [unit["party"] for unit in reporting["units"]] == ["school-1", "school-0"]
    assert reporting["late_after"]["basis"] == "local"
    assert {(request.url.params["since"], request.url.params["until"]) for request in services.asked} == {
        ("2026-11-01T00:00:00+08:00", "2026-12-01T00:00:00+08:00")
    }
    assert len(services.asked) == 3


def test_people_get_a_table(services: Services) -> None:
    done = heli(*WORDS)
    assert done.exit_code == 0, done.output
    assert all(word in done.output for word in ("户口登记", "控辍保学", "hukou_registered 4", "school-1", "2.0", "late 1"))
    assert services.asked


@pytest.mark.parametrize("silent", ["intake", "referral"])
def test_a_service_that_does_not_answer_is_named_and_the_rest_is_shown(services: Services, silent: str) -> None:
    services.silent.add(silent)
    done = heli(*WORDS, "--json")
    found = json.loads(done.stdout)
    assert (done.exit_code, [*found["missing"]]) == (4, [silent])
    assert (found["legs"] is None, found["reporting"] is None) == (silent == "referral", silent == "intake")
    assert heli(*WORDS).exit_code == 4


@pytest.mark.parametrize("words", [("stats",), ("stats", "--region", "230104", "--from", "yesterday", "--to", "2026-11-30")])
def test_a_question_that_is_none_is_refused(words: tuple[str, ...]) -> None:
    assert heli(*words).exit_code == 2


def test_what_a_service_does_not_take_is_said_in_its_words_and_is_no_silence(services: Services) -> None:
    services.refused = {"pointer": "/since", "rule": "period", "detail": "A period ends after it begins."}
    done = heli(*WORDS, "--json")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "since: A period ends after it begins. (period)" in done.stderr
