"""Can a person with a reporter's link file a report without script, see what is wrong, and lose nothing that was entered?"""

import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from services.intake import pages
from services.intake.domain.content import GROUPS, SITUATIONS
from services.intake.domain.told import RULES
from shared.identifiers import parse_short_code, uuid7
from tests.integration.intake.conftest import Intake
from tests.support.reports import FACTS, NAME, TEACHER, number

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def filled(**changes: str | list[str]) -> dict[str, str | list[str]]:
    plain: dict[str, str | list[str]] = {
        "situations": ["L1a"],
        "seen_date": "2026-11-20",
        "seen_time": "09:30",
        "region": "239901100201",
        "children-0-name": NAME,
        "children-0-sex": "female",
        "children-0-age": "9",
        "facts": FACTS,
        "received_by": TEACHER,
    }
    return plain | changes


async def send(intake: Intake, key: str = "", **changes: Any) -> httpx.Response:
    entered = {"k": intake.token(), "key": key or str(uuid7())} | filled(**changes)
    return await intake.http.post("/intake/report", content=urlencode(entered, doseq=True), headers=FORM)


def wrong(page: httpx.Response) -> dict[str, str]:
    """Field -> sentence of the error summary."""
    return {field: unescape(text) for field, text in re.findall(r'<li><a href="#([^"]+)">([^<]+)</a>', page.text)}


async def test_the_form_needs_no_script_and_nothing_from_elsewhere(intake: Intake) -> None:
    page = await intake.http.get("/intake/report", params={"k": intake.token()})
    assert (page.status_code, page.headers["cache-control"], page.headers["referrer-policy"]) == (200, "no-store", "no-referrer")
    assert "<script" not in page.text
    assert not re.search(r'(src|href|action)="(?!#|/intake/report"|tel:110|data:,)', page.text)
    assert re.search(r'name="key" value="[\w-]{20,}"', page.text)
    assert all(f'value="{code}"' in page.text for code in (*SITUATIONS, *GROUPS))
    assert '<option value="239901100201">' in page.text
    ids = re.findall(r' id="([^"]+)"', page.text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'<label for="([^"]+)"', page.text)) <= set(ids)


async def test_a_filled_form_is_a_report_and_its_receipt_shows_the_code(intake: Intake) -> None:
    page = await send(intake)
    found = re.search(r'class="code">([^<]+)<', page.text)
    assert page.status_code == 200
    assert found
    assert "110" in page.text
    row = await intake.pool.fetchrow("select code, party, situations from report")
    assert row
    assert (row["code"], row["party"], row["situations"]) == (parse_short_code(found[1]), "school-1", "L1a")


async def test_it_is_the_same_report_as_by_http(intake: Intake) -> None:
    given = {"children-0-age": "", "children-0-birth_date": "2016-05-01", "children-0-id_number": number("20160501")}
    more = {"children-2-name": "第三个", "children-2-sex": "unknown", "children-2-age": "12", "children-2-age_estimated": "1"}
    assert (await send(intake, facts="一\r\n二", groups=["K4"], **given, **more)).status_code == 200
    [event] = await intake.events("report.accepted")
    assert (event["seen_at"], event["groups"], event["region"]) == ("2026-11-20T01:30:00Z", ["K4"], "239901100201")
    assert [(one["number"], one["age"], one["sex"], one["estimated"]) for one in event["children"]] == [
        (1, 10, "female", False),
        (2, 12, "unknown", True),
    ]
    assert "一\\n二" in (await intake.pool.fetchval("select content from report_content")).decode()


async def test_what_is_wrong_is_listed_on_top_and_linked_and_what_was_entered_stays(intake: Intake) -> None:
    changes: dict[str, Any] = {
        "situations": ["L9"],
        "seen_date": "2026-11-20",
        "region": "999999",
        "children-0-age": "19",
        "children-1-name": "弟弟",
        "children-1-sex": "male",
        "children-1-age": "20",
        "children-1-birth_date": "2016-05-01",
        "children-1-id_number": "123",
    }
    page = await send(intake, "", **changes)
    assert page.status_code == 422
    assert wrong(page) == {
        "situations": "请检查这一项",
        "region": pages.SENTENCES["region-unknown"],
        "children-1-age": pages.SENTENCES["age-or-birth-date"],
        "children-1-id_number": pages.SENTENCES["id-number-form"],
        "children-0-age": pages.SENTENCES["nobody-under-18"],
    }
    ids = set(re.findall(r' id="([^"]+)"', page.text))
    assert set(wrong(page)) <= ids
    assert all(f'value="{value}"' in page.text for value in (NAME, "弟弟", "999999", "123", "2016-05-01", TEACHER))
    assert FACTS in page.text
    assert await intake.count("report") == 0


async def test_an_empty_form_says_what_is_needed(intake: Intake) -> None:
    empty: dict[str, Any] = {**dict.fromkeys(filled(), ""), "situations": []}
    page = await send(intake, "", **empty)
    assert set(wrong(page)) == {"seen_at", "region", "children-0-name", "children-0-sex", "facts"}
    assert "<title>有错误" in page.text
    page = await send(intake, situations=[], **{"children-0-age": ""})
    assert set(wrong(page)) == {"situations", "children-0-age"}


async def test_entered_values_are_escaped(intake: Intake) -> None:
    page = await send(intake, region='"><script>', facts="</textarea><script>")
    assert "<script" not in page.text


async def test_a_form_sent_twice_is_one_report_and_a_changed_one_needs_a_new_form(intake: Intake) -> None:
    entered = urlencode({"k": intake.token(), "key": "k1"} | filled(), doseq=True)
    first, second = [await intake.http.post("/intake/report", content=entered, headers=FORM) for _ in range(2)]
    assert (first.status_code, first.text) == (200, second.text)
    changed = await send(intake, "k1", facts="别的事")
    assert (changed.status_code, "已经提交过" in changed.text) == (422, True)
    assert await intake.count("report") == 1


@pytest.mark.parametrize("kind", ["none", "agency", "nonsense"])
async def test_whoever_has_no_valid_link_is_told_whom_to_ask(intake: Intake, kind: str) -> None:
    token = {"none": "", "agency": intake.agency("police")["Authorization"].split()[1], "nonsense": "x.y.z"}[kind]
    entered = urlencode({"k": token, "key": "k1"} | filled(), doseq=True)
    for page in (
        await intake.http.get("/intake/report", params={"k": token}),
        await intake.http.post("/intake/report", content=entered, headers=FORM),
    ):
        assert (page.status_code, "民政局" in page.text) == (401, True)
    assert await intake.count("report") == 0


@pytest.mark.parametrize("sent", ["k=%FF", "&".join(["a=1"] * 300), "金"])
async def test_what_is_no_form_is_refused_with_a_page(intake: Intake, sent: str) -> None:
    page = await intake.http.post("/intake/report", content=sent.encode(), headers=FORM)
    assert (page.status_code, page.headers["content-type"]) == (400, "text/html; charset=utf-8")


@pytest.mark.parametrize("key", [" ", "k" * 129, "钥"])
async def test_a_form_without_a_right_key_has_expired(intake: Intake, key: str) -> None:
    assert (await send(intake, key)).status_code == 400


async def test_without_its_database_the_page_says_call_110_and_sending_again_works(intake: Intake) -> None:
    entered = urlencode({"k": intake.token(), "key": "k1"} | filled(), doseq=True)
    await intake.cable.cut()
    page = await intake.http.post("/intake/report", content=entered, headers=FORM)
    assert (page.status_code, "请立即拨打110" in page.text) == (503, True)
    await intake.cable.mend()
    assert (await intake.http.post("/intake/report", content=entered, headers=FORM)).status_code == 200


def test_every_rule_has_its_sentence_for_people_and_every_code_its_label() -> None:
    of_machines = {"situation-unknown", "group-unknown", "seen-at-naive"}  # a form cannot break these
    assert set(RULES) - of_machines <= set(pages.SENTENCES)
    assert {code for labels in pages.SITUATIONS.values() for code in labels} == set(SITUATIONS)
    assert set(pages.GROUPS) == set(GROUPS)
