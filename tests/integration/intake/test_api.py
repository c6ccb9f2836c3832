"""Does HTTP take a report once, refuse what breaks a rule without echo, and show it to nobody without right?"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.intake import api
from shared.contracts import referral
from shared.errors import Clash
from shared.http import BODY_LIMIT, KEY_LIMIT
from shared.identifiers import child_id, format_short_code, new_short_code, uuid7
from tests.integration.intake.conftest import CHILD_KEY, Intake, fact, issued, opened
from tests.support import reports
from tests.support.reports import FACTS, NAME, TEACHER, aged, body, child, number

CANARY = "金丝雀"


async def test_a_report_is_accepted_after_the_commit_and_leaves_without_a_name(intake: Intake) -> None:
    response = await intake.post(body(child(id_number=number("20160501")), aged(age=19), received_by=TEACHER))
    assert (response.status_code, response.json()["children"]) == (202, 1)
    [event] = await intake.events("report.accepted")
    assert event["report"] == response.json()["report"]
    assert [one["child"] for one in event["children"]] == [str(child_id(CHILD_KEY, number("20160501")))]
    assert format_short_code(event["code"]) == response.json()["code"]
    rows = await intake.pool.fetch("select value from outbox") + await intake.pool.fetch("select data from journal")
    stored = b"".join(row[0] for row in rows).decode()
    assert CANARY not in stored
    assert number("20160501") not in stored


async def test_the_same_key_and_body_get_the_same_bytes_and_nothing_twice(intake: Intake) -> None:
    first, second = [await intake.post(body(), "k1") for _ in range(2)]
    assert (first.status_code, first.content) == (202, second.content)
    assert (await intake.count("report"), await intake.count("outbox")) == (1, 1)


async def test_the_same_key_for_another_body_is_refused_and_another_unit_has_its_own_keys(intake: Intake) -> None:
    first = await intake.post(body(), "k1")
    reused = await intake.post(body(situations=["L3"]), "k1")
    other = await intake.post(body(), "k1", **intake.reporter("school-2"))
    assert (reused.status_code, reused.json()["title"]) == (422, "idempotency-key-reused")
    assert other.status_code == 202
    assert other.json()["report"] != first.json()["report"]


async def test_a_second_request_in_flight_waits_and_gets_the_same_answer(intake: Intake) -> None:
    answers = await asyncio.gather(*(intake.post(body(), "k1") for _ in range(4)))
    assert {(answer.status_code, answer.content) for answer in answers} == {(202, answers[0].content)}
    assert await intake.count("report") == 1


async def test_what_breaks_a_rule_is_named_by_place_and_rule_and_never_echoed(intake: Intake) -> None:
    for given, pointer, rule in reports.broken(datetime.now(UTC)):
        response = await intake.post(_ascii(given), "k1")
        assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json"), rule
        assert [(fault["pointer"], fault["rule"]) for fault in response.json()["errors"]] == [(pointer, rule)]
        assert CANARY not in response.text
        assert "23990120160501" not in response.text
    assert (await intake.count("report"), await intake.count("inbox")) == (0, 0)  # what the door refused uses up no key
    assert (await intake.post(body(), "k1")).status_code == 202


def _ascii(given: Any) -> bytes:
    """As Python's own encoder writes it: lone surrogates pass as escapes."""
    import json

    return json.dumps(given).encode()


async def test_what_breaks_no_rule_is_taken_at_every_limit(intake: Intake) -> None:
    for given in reports.good(datetime.now(UTC)):
        response = await intake.post(given)
        assert response.status_code == 202, (given, response.text)


@pytest.mark.parametrize("name", [NAME, "\ud800", "a b", "x" * 200])
async def test_the_name_of_an_unknown_field_is_not_echoed_when_it_is_no_word(intake: Intake, name: str) -> None:
    for given in (body() | {name: 1}, body(child() | {name: 1})):
        response = await intake.post(_ascii(given))
        assert (response.status_code, response.json()["errors"][0]["rule"]) in ((422, "extra_forbidden"), (422, "string_unicode"))
        assert name not in response.text


@pytest.mark.parametrize("sent", [b"", b"{", b"[]", b"null", b"\xff", b'{"facts": NaN}', b"[" * 100_000])
async def test_what_is_no_report_at_all_is_refused(intake: Intake, sent: bytes) -> None:
    response = await intake.post(sent)
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"


async def test_the_body_may_have_its_limit_and_not_one_byte_more(intake: Intake) -> None:
    plain = msgspec.json.encode(body())
    assert (await intake.post(plain + b" " * (BODY_LIMIT - len(plain)))).status_code == 202
    over = plain + b" " * (BODY_LIMIT - len(plain) + 1)
    assert (await intake.post(over)).status_code == 413

    async def dribbled() -> Any:
        yield over[: BODY_LIMIT // 2]
        yield over[BODY_LIMIT // 2 :]

    headers = intake.reporter() | {"Idempotency-Key": "k", "Content-Type": "application/json"}
    response = await intake.http.post("/intake/reports", content=dribbled(), headers=headers)
    assert (response.status_code, response.json()["title"]) == (413, "body-too-large")


async def test_a_key_is_needed_and_has_its_limit(intake: Intake) -> None:
    sent = {"content": msgspec.json.encode(body()), "headers": intake.reporter() | {"Content-Type": "application/json"}}
    missing = await intake.http.post("/intake/reports", **sent)  # type: ignore[arg-type]
    assert (missing.status_code, missing.json()["title"]) == (400, "idempotency-key-missing")
    assert (await intake.post(body(), "k" * KEY_LIMIT)).status_code == 202
    assert (await intake.post(body(), "k" * (KEY_LIMIT + 1))).status_code == 400


async def test_only_a_reporter_files_and_a_revoked_token_is_nobody(intake: Intake) -> None:
    revoked = intake.token()
    intake.revoke(revoked)
    assert (await intake.post(body(), Authorization=f"Bearer {revoked}")).status_code == 401
    assert (await intake.post(body(), Authorization="")).status_code == 401
    assert (await intake.post(body(), **intake.agency("police"))).status_code == 403


async def test_a_short_code_that_another_report_has_is_made_anew(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    _, code = await intake.filed()
    fresh = new_short_code(b"other")
    codes = iter([code, code, fresh])
    monkeypatch.setattr(api, "_new_code", lambda: next(codes))
    response = await intake.post(body(), "k1")
    assert (response.status_code, response.json()["code"]) == (202, format_short_code(fresh))
    monkeypatch.setattr(api, "_new_code", lambda: code)
    refused = await intake.post(body())
    assert (refused.status_code, "110" in refused.text) == (503, True)


async def test_another_clash_is_not_taken_for_a_code(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    async def clash(*_: Any, **__: Any) -> None:
        raise Clash("another_key")

    monkeypatch.setattr(api, "enter", clash)
    response = await intake.post(body())
    assert (response.status_code, response.json()["title"]) == (500, "internal")


async def test_without_its_database_it_says_call_110_and_the_same_request_succeeds_later(intake: Intake) -> None:
    report, _ = await intake.filed()
    assert (await intake.get(f"reports/{report}/progress", intake.reporter())).status_code == 200
    await intake.cable.cut()
    response = await intake.post(body(), "k1")
    assert (response.status_code, response.headers["retry-after"]) == (503, "2")
    assert "110" in response.text
    assert CANARY not in response.text
    for path, headers in ((f"reports/{report}", intake.agency("police")), (f"reports/{report}/progress", intake.reporter())):
        assert (await intake.get(path, headers)).status_code == 503
    await intake.cable.mend()
    assert (await intake.post(body(), "k1")).status_code == 202
    assert (await intake.get(f"reports/{uuid7()}", intake.agency("police"))).status_code == 404


async def test_an_open_leg_is_the_right_to_read_and_the_reading_is_recorded(intake: Intake) -> None:
    report, code = await intake.filed(child(), aged(), received_by=TEACHER)
    await intake.hear(*(opened(report, code, n) for n in (1, 2)), issued(report, code, "police"), issued(report, code, "civil_affairs", 2))
    sloppy = format_short_code(code).lower().replace("-", " ")
    for name in (str(report), code, format_short_code(code), sloppy):
        response = await intake.get(f"reports/{name}", intake.agency("police"))
        assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    view = response.json()
    assert (view["report"], view["code"], view["facts"], view["received_by"]) == (str(report), format_short_code(code), FACTS, TEACHER)
    assert view["reporter"] == {"unit": "school-1", "kind": "school"}
    narrowed = (await intake.get(f"reports/{report}", intake.agency("civil_affairs"))).json()
    assert ([shown["number"] for shown in narrowed["children"]], "reporter" in narrowed) == ([2], False)
    read = await intake.events("report.read")
    assert [event["agency"] for event in read] == ["police-county"] * 4 + ["civil-county"]
    kept = await intake.pool.fetch("select response from inbox where response is not null") + await intake.pool.fetch(
        "select value from outbox"
    )
    assert CANARY not in b"".join(row[0] for row in kept).decode()


async def test_whoever_has_no_right_and_whoever_asks_for_nothing_get_the_same_answer(intake: Intake) -> None:
    report, code = await intake.filed()
    await intake.hear(opened(report, code), issued(report, code, "police"), issued(report, code, "education"))
    await intake.hear(fact(referral.LegDeclined, report, code, "education", reason="no_capacity", tell=None, replaced_by=None))
    wrong = format_short_code(code[:-1] + ("0" if code[-1] != "0" else "1"))
    asked = [
        *[await intake.get(f"reports/{name}", intake.agency("civil_affairs")) for name in (report, code, uuid7(), "x", wrong, "%01", "金")],
        await intake.get(f"reports/{report}", intake.agency("education")),
        await intake.get(f"reports/{report}", intake.agency("police", "police-city")),
        await intake.get(f"reports/{report}/progress", intake.reporter("school-2")),
        await intake.get(f"reports/{uuid7()}/progress", intake.reporter()),
        await intake.get("reports/x/progress", intake.reporter()),
        await intake.get("operator/reports/000000001", intake.operator()),
    ]
    assert {(answer.status_code, answer.headers["retry-after"], answer.content) for answer in asked} == {(404, "2", asked[0].content)}
    assert await intake.events("report.read") == []
    assert (await intake.get(f"reports/{report}", intake.reporter())).status_code == 403


async def test_the_reporter_follows_its_report_by_times_alone(intake: Intake) -> None:
    report, code = await intake.filed()
    await intake.hear(opened(report, code), issued(report, code, "police"), issued(report, code, "education"))
    await intake.hear(fact(referral.LegAccepted, report, code, "police", active_due=None))
    await intake.hear(fact(referral.LegFulfilled, report, code, "education", outcome="back_at_school"))
    response = await intake.get(f"reports/{format_short_code(code)}/progress", intake.reporter())
    view = response.json()
    assert view["counts"] == {"told": 2, "delivered": 2, "seen": 2, "accepted": 2, "done": 1}
    assert view["cases"] == {"owed": 1, "open": 1}
    assert {leg["department"]: leg["done"] is not None for leg in view["legs"]} == {"police": False, "education": True}
    assert set(view["legs"][0]) == {"leg", "case", "department", "told", "delivered", "seen", "accepted", "done"}
    assert CANARY not in response.text
    assert "back_at_school" not in response.text
    told = await intake.events("report.progressed")
    assert [(event["department"], event["fact"]) for event in told] == [("police", "accepted"), ("education", "done")]


async def test_an_operator_sees_ids_codes_and_times(intake: Intake) -> None:
    report, code = await intake.filed(groups=["K4"])
    await intake.hear(opened(report, code), issued(report, code, "police"))
    for name in (report, format_short_code(code)):
        response = await intake.get(f"operator/reports/{name}", intake.operator())
        view = response.json()
        assert (view["report"], view["code"], view["situations"], view["groups"]) == (str(report), format_short_code(code), ["L1a"], ["K4"])
        assert [case["number"] for case in view["cases"]] == [1]
        assert [(leg["agency"], leg["ended"]) for leg in view["legs"]] == [("police-county", None)]
        assert (view["next_due"], view["opened_at"] is not None) == (None, True)
        assert CANARY not in response.text
    assert (await intake.get(f"operator/reports/{report}", intake.reporter())).status_code == 403


async def test_a_report_whose_cases_do_not_open_stalls_once(intake: Intake) -> None:
    report, code = await intake.filed()
    await intake.later(timedelta(seconds=50))
    assert (await intake.room.sweep()).ticked == 0
    await intake.later(timedelta(seconds=61))
    assert ((await intake.room.sweep()).ticked, (await intake.room.sweep()).ticked) == (1, 0)
    [event] = await intake.events("report.stalled")
    assert (event["report"], event["region"]) == (str(report), "239901100201")
    await intake.hear(opened(report, code))
    assert (await intake.get(f"operator/reports/{report}", intake.operator())).json()["opened_at"] is not None


async def test_what_concerns_an_unknown_report_is_parked_and_the_rest_applied(intake: Intake) -> None:
    report, code = await intake.filed()
    await intake.hear(opened(uuid7(), code), opened(report, code))
    rows = await intake.pool.fetch("select reason, error from parked")
    assert [(row["reason"], row["error"]) for row in rows] == [("rule", "unknown-report")]
    assert await intake.pool.fetchval("select opened from report") == "1"


async def test_limits_and_key_are_stated_in_the_openapi_document(intake: Intake) -> None:
    document = (await intake.http.get("/intake/openapi.json")).json()
    schemas = document["components"]["schemas"]
    told = schemas["Told"]["properties"]
    assert (told["facts"]["maxLength"], told["children"]["maxItems"], told["seen_at"]["format"]) == (4000, 20, "date-time")
    assert (schemas["ToldChild"]["properties"]["name"]["maxLength"], told["situations"]["items"]["enum"][0]) == (100, "L1a")
    assert document["paths"]["/intake/reports"]["post"]["parameters"][0]["name"] == "Idempotency-Key"
