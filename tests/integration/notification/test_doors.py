"""Do the HTTP door and the page behind a one-tap link let in whom they should, and say what they should?"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from services.notification.domain import Links
from shared.contracts import envelope, intake
from shared.errors import Problem
from shared.messages import Message
from tests.integration.notification.conftest import Notification
from tests.support import notices
from tests.support.notices import LEG, REPORT
from tests.support.records import arrived

PARTY, OTHER = "police-county", "edu-county"
URL = "https://93.184.216.34/hook?key=canary"
ENDPOINT = f"/notification/endpoints/{PARTY}"


async def test_a_party_registers_reads_and_edits_with_the_version_it_has_seen(notification: Notification) -> None:
    made = await notification.register(PARTY, url=URL, feed=True)
    assert (made.status_code, made.headers["etag"], made.headers["cache-control"]) == (201, '"1"', "no-store")
    assert made.json()["secret"].startswith("whsec_")
    seen = await notification.http.get(ENDPOINT, headers=notification.bearer(PARTY))
    assert (seen.status_code, seen.headers["etag"]) == (200, '"1"')
    assert seen.json() == {
        "party": PARTY,
        "webhook": {"url": URL, "enabled": True},
        "feed": "heli.agency.police-county.v1",
        "old_secret_until": None,
        "version": 1,
    }
    for version, status in ((None, 428), (2, 412), (1, 200)):
        assert (await notification.register(PARTY, feed=True, version=version)).status_code == status
    headers = notification.bearer(PARTY) | {"If-Match": "2"}
    assert (await notification.http.put(ENDPOINT, json={"webhook": None}, headers=headers)).status_code == 400
    assert (await notification.http.get(ENDPOINT, headers=notification.bearer(PARTY))).json()["webhook"] is None


async def test_nobody_sees_or_changes_the_endpoint_of_another(notification: Notification) -> None:
    await notification.register(PARTY, url=URL)
    for method, path in (("GET", ENDPOINT), ("PUT", ENDPOINT), ("POST", f"{ENDPOINT}/test")):
        body = {"webhook": None}
        told = await notification.http.request(method, path, json=body, headers=notification.bearer(OTHER))
        assert (told.status_code, told.json()["title"]) == (404, "not-found")
        assert (await notification.http.request(method, path, json=body)).status_code == 401
    operator = notification.bearer("operator", "operator")
    assert (await notification.http.get(ENDPOINT, headers=operator)).status_code == 200
    assert (await notification.http.get("/notification/endpoints/nobody", headers=operator)).status_code == 404


@pytest.mark.parametrize(
    ("body", "pointer", "rule"),
    [
        ({"webhook": {"url": "http://93.184.216.34/"}}, "/webhook/url", "url-scheme"),
        ({"webhook": {"url": "https://169.254.169.254/"}}, "/webhook/url", "url-address"),
        ({"webhook": {"url": "https://u:p@example.org/"}}, "/webhook/url", "url-userinfo"),
        ({"webhook": {"url": "https://example.org/" + "x" * 2000}}, "/webhook/url", "string_too_long"),
        ({"webhook": {"url": "https://example.org/\0"}}, "/webhook/url", "url-characters"),
        ({}, "/webhook", "missing"),
        ({"webhook": None, "secret": "mine"}, "/secret", "extra_forbidden"),
    ],
)
async def test_a_bad_address_is_refused_by_its_rule_and_not_repeated(
    notification: Notification, body: dict[str, object], pointer: str, rule: str
) -> None:
    told = await notification.http.put(ENDPOINT, json=body, headers=notification.bearer(PARTY))
    (fault,) = told.json()["errors"]
    assert (told.status_code, fault["pointer"], fault["rule"]) == (422, pointer, rule)
    assert "example.org" not in told.text
    assert (await notification.http.get(ENDPOINT, headers=notification.bearer(PARTY))).status_code == 404


async def test_a_reporter_has_a_webhook_but_no_topic_and_no_agencys_code(notification: Notification) -> None:
    told = await notification.register("school-1", feed=True, kind="reporter")
    assert (told.status_code, told.json()["errors"][0]["pointer"]) == (422, "/feed")
    assert (await notification.register("school-1", url=URL, kind="reporter")).status_code == 201
    assert (await notification.register(PARTY, url=URL, kind="reporter")).status_code == 403


async def test_a_test_notice_is_sent_once_per_key(notification: Notification) -> None:
    headers = notification.bearer(PARTY) | {"Idempotency-Key": "k1"}
    assert (await notification.http.post(f"{ENDPOINT}/test", headers=notification.bearer(PARTY))).status_code == 409
    await notification.register(PARTY, feed=True)
    first, second = [await notification.http.post(f"{ENDPOINT}/test", headers=headers) for _ in range(2)]
    assert (first.status_code, first.content) == (202, second.content)
    assert await notification.states() == {"police-county/topic": "sent"}


async def test_an_operator_sees_every_delivery_and_no_address(notification: Notification) -> None:
    await notification.register(PARTY, url=URL, feed=True)
    await notification.hear(notices.issued())
    path = f"/notification/operator/deliveries/{REPORT}"
    assert (await notification.http.get(path, headers=notification.bearer(PARTY))).status_code == 403
    told = await notification.http.get(path, headers=notification.bearer("operator", "operator"))
    rows = {row["channel"]: row for row in told.json()["deliveries"]}
    assert {name: (row["state"], row["leg"], row["about"]) for name, row in rows.items()} == {
        "webhook": ("due", str(LEG), "leg.issued"),
        "topic": ("sent", str(LEG), "leg.issued"),
    }
    assert "canary" not in told.text
    assert "links" not in told.text


async def _link(notification: Notification) -> str:
    await notification.register(PARTY, feed=True)
    await notification.hear(notices.issued())
    (delivery,) = (await notification.notice()).deliveries.values()
    link = str(msgspec.json.decode(delivery.body)["link"])
    assert link.startswith("http://heli/notification/links/")
    return link


async def test_looking_at_a_link_changes_nothing_and_its_button_accepts_once(notification: Notification) -> None:
    link = await _link(notification)
    for _ in range(2):
        page = await notification.http.get(link)
        assert page.status_code == 200
        assert all(
            text in page.text for text in ("C5H6-6S35-2", "红色", "公安机关", "受理报告并第一时间出警调查", "接收任务</button>", "tel:110")
        )
    assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert "http://" not in page.text
    assert "<script" not in page.text
    assert await notification.events("link.answered") == []
    for _ in range(2):
        pressed = await notification.http.post(link)
        assert (pressed.status_code, pressed.headers["location"]) == (303, link.removeprefix("http://heli"))
    (answered,) = await notification.events("link.answered")
    assert (answered["leg"], answered["agency"], answered["answer"]) == (str(LEG), PARTY, "accepted")
    assert "已登记，正在送达" in (await notification.http.get(link)).text


async def test_the_page_says_what_became_of_the_answer(notification: Notification) -> None:
    link = await _link(notification)
    await notification.hear(notices.refused("link", state="withdrawn"), "event-2")
    assert "任务已撤回" in (await notification.http.get(link)).text
    await notification.hear(notices.accepted(), "event-3")
    page = (await notification.http.get(link)).text
    assert "已接收" in page
    assert "</button>" not in page
    await notification.pool.execute("update notice set refused_state = null")
    await notification.hear(notices.fulfilled(), "event-4")
    assert "任务已结束" in (await notification.http.get(link)).text


async def test_a_bad_expired_or_foreign_link_says_what_to_do(notification: Notification) -> None:
    link = await _link(notification)
    mine = Links("http://heli", "a key of this test")
    old = mine.link(LEG, PARTY, datetime(2026, 1, 1, tzinfo=UTC))
    for bad in (link[:-2], old, mine.link(LEG, OTHER, datetime.now(UTC)), mine.link(REPORT, PARTY, datetime.now(UTC))):
        for method in ("GET", "POST"):
            told = await notification.http.request(method, bad, follow_redirects=True)
            assert told.status_code == 404
            assert "链接无效或已过期" in told.text
    assert await notification.events("link.answered") == []


async def test_no_log_line_holds_a_link_an_address_or_a_secret(notification: Notification, capsys: pytest.CaptureFixture[str]) -> None:
    secret = (await notification.register(PARTY, url="http://127.0.0.1:1/canary")).json()["secret"]
    await notification.hear(notices.issued())
    await notification.sweep()
    (delivery,) = (await notification.notice()).deliveries.values()
    assert (delivery.state, delivery.last_error) == ("due", "connection")
    printed = "".join(capsys.readouterr())
    assert not any(text in printed for text in ("canary", secret, "/links/"))


async def test_progress_costs_a_row_only_once_its_reporter_has_registered(notification: Notification) -> None:
    listener, event = notification.service.listeners[intake.TOPIC], notices.progressed()
    await listener.apply([arrived(event)])
    assert await notification.pool.fetchval("select count(*) from inbox") == 0
    assert (await notification.register(event.party, url="http://127.0.0.1:9/", kind="reporter")).status_code == 201
    await listener.apply([arrived(event)])
    assert await notification.pool.fetchval("select count(*) from inbox where source = $1", intake.TOPIC) == 1
    assert await notification.pool.fetchval("select party from delivery") == event.party


async def test_parked_progress_is_released_to_a_reporter_that_has_registered_since(notification: Notification) -> None:
    listener, event = notification.service.listeners[intake.TOPIC], notices.progressed()
    await listener.apply([arrived(event)])
    record, left = arrived(event), list[Message]()

    async def leaves(_: Any, messages: Sequence[Message]) -> None:
        left.extend(messages)

    name = envelope.read(record.headers, record.value).id
    with pytest.raises(Problem, match="no-listener"):
        await listener.release(record, notification.notices.kind.name, name, leaves)
    assert (await notification.register(event.party, url="http://127.0.0.1:9/", kind="reporter")).status_code == 201
    await listener.release(record, notification.notices.kind.name, name, leaves)
    assert ([message.id for message in left], await notification.pool.fetchval("select party from delivery")) == ([name], event.party)
