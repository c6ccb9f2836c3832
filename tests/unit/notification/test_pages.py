"""Does the page behind a link say in words what is so, and bring along everything it needs?"""

import base64
import hashlib
import re
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from services.notification.pages import standing, time_left
from shared import web
from shared.contracts.notification import NOTICE_TYPES
from tests.support.notices import NOW


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "还剩0分钟"),
        (0, "已超时0分钟"),
        (-60, "已超时1分钟"),
        (3599, "还剩59分钟"),
        (3600, "还剩1小时0分钟"),
        (86399, "还剩23小时59分钟"),
        (86400, "还剩1天0小时"),
    ],
)
def test_the_time_left_is_said_in_words(seconds: float, words: str) -> None:
    assert time_left(NOW + timedelta(seconds=seconds), NOW) == words
    assert time_left(None, NOW) is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "open"),
        ({"link_answered_at": NOW}, "sent"),
        ({"link_answered_at": NOW, "refused_state": "withdrawn"}, "refused"),
        ({"state": "accepted", "refused_state": "accepted"}, "accepted"),
        ({"state": "ended"}, "ended"),
    ],
)
def test_the_page_shows_how_far_the_answer_has_come(changed: dict[str, Any], said: str) -> None:
    given: dict[str, Any] = {"state": "open", "link_answered_at": None, "refused_state": None}
    assert standing(SimpleNamespace(**(given | changed))) == said


def test_the_policy_of_a_page_lets_through_its_own_style_and_nothing_else() -> None:
    page = web.show(web.pages(web._FOLDER), "base.html")  # noqa: SLF001 - the base alone, without a service
    style = re.search(r"<style>(.*?)</style>", bytes(page.body).decode(), re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = page.headers["content-security-policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")
    assert web.local(NOW) == "11月24日 10:00"


def test_every_kind_of_notice_has_a_type_of_its_own() -> None:
    assert len(set(NOTICE_TYPES.values())) == len(NOTICE_TYPES)
    assert all(re.fullmatch(r"heli\.notice\.[a-z]+\.v1", name) for name in NOTICE_TYPES.values())
