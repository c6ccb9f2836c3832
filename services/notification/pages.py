"""What does a duty officer see behind a one-tap link? What is expected until when, whom to call, one button; no personal value."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi import Response as HttpResponse
from sqlalchemy.exc import DBAPIError

from services.notification import store
from services.notification.domain import Known, LinkClaim
from services.notification.handlers import LinkUsed
from services.notification.tables import NoticeRow
from shared.database import AWAY
from shared.errors import Unavailable
from shared.gather import Gather
from shared.http import enter, message_of
from shared.identity import Allow
from shared.messages import Message
from shared.web import pages, see, show

TEMPLATES = pages(Path(__file__).parent / "templates")
GRADES = {"red": "红色（紧急）", "amber": "橙色（较急）", "green": "绿色（一般）"}
DEPARTMENTS = {
    "police": "公安机关",
    "civil_affairs": "民政部门",
    "education": "教育部门",
    "township": "乡镇人民政府（街道办事处）",
    "village": "村（居）民委员会",
    "health": "卫生健康部门",
    "disabled_federation": "残疾人联合会",
    "women_federation": "妇女联合会",
    "justice": "司法行政部门",
    "procuratorate": "检察机关",
    "court": "人民法院",
    "joint_conference": "联席会议办公室",
}
DUTIES = {
    "receive_and_respond": "受理报告并第一时间出警调查",
    "hukou_registration": "核实并办理户口登记",
    "guardianship_protection": "监护保护与临时监护",
    "school_return": "控辍保学、劝返复学",
    "school_attention": "在校学生受侵害报告的接收与关爱",
    "assess_and_register": "调查评估并建档",
    "joint_review": "无人办结个案的会商与督办",
}
OTHER_DUTY = "按本部门职责处置并反馈"
MET = {
    "declined": "任务已退回",
    "fulfilled": "任务已办结",
    "forwarded": "任务已转交其他单位",
    "withdrawn": "任务已撤回",
    "void": "任务已作废",
}
AWAY_NOW = (*AWAY, Unavailable, DBAPIError)

router = APIRouter(tags=["pages"], include_in_schema=False)


class Shown(msgspec.Struct, frozen=True):
    """What a right link opens. `now` is the clock by which deadlines are kept."""

    notice: NoticeRow
    known: Known
    now: datetime


@router.get("/links/{token}", dependencies=[Depends(Allow())])
async def look(token: str, request: Request) -> HttpResponse:
    """Shows, and changes nothing: a chat program that fetches a preview accepts no duty."""
    claim = _claim(token, request)
    try:
        found = await _found(claim, request) if claim else None
    except AWAY_NOW:
        return _away()
    return _page(found) if found else _unknown()


@router.post("/links/{token}", dependencies=[Depends(Allow())])
async def press(token: str, request: Request) -> HttpResponse:
    """The button: accepts, once. The page after it says how far that has come."""
    claim = _claim(token, request)
    if claim is None:
        return _unknown()
    room: Gather = request.app.state.notices
    message = Message(
        body=LinkUsed(claim.party), aggregate=claim.leg, source="link", actor=f"link/{claim.party}", traceparent=message_of(request)
    )
    try:
        await enter(room, message)
    except AWAY_NOW:
        return _away()
    return see(request.url.path)


def _claim(token: str, request: Request) -> LinkClaim | None:
    claim: LinkClaim | None = request.app.state.links.read(token, datetime.now(UTC))
    return claim


async def _found(claim: LinkClaim, request: Request) -> Shown | None:
    async with request.app.state.pool.acquire() as db:
        now, _, known = await request.app.state.reference.moment(db)
    notice = await store.leg_notice(request.app.state.engine, claim.leg)
    return Shown(notice, known, now) if notice is not None and notice.agency == claim.party else None


def _page(shown: Shown) -> HttpResponse:
    notice = shown.notice
    return show(
        TEMPLATES,
        "link.html",
        receipt=notice.code,
        grade=notice.grade,
        grade_words=GRADES.get(notice.grade or "", ""),
        department=DEPARTMENTS.get(notice.department or "", notice.department),
        duty=DUTIES.get(notice.duty or "", OTHER_DUTY),
        due=notice.accepted_due,
        left=time_left(notice.accepted_due, shown.now),
        phones=shown.known.phones(notice.agency or ""),
        standing=standing(notice),
        met=MET.get(notice.refused_state or "", "任务状态已变化"),
    )


def standing(notice: Any) -> str:
    """How far the answer has come: open, sent, accepted, refused or ended."""
    if notice.state == "accepted":
        return "accepted"
    if notice.refused_state is not None:
        return "refused"
    if notice.state == "ended":
        return "ended"
    return "sent" if notice.link_answered_at is not None else "open"


def time_left(due: datetime | None, now: datetime) -> str | None:
    """In words: days and hours, hours and minutes, or minutes, rounded down; None without a deadline."""
    if due is None:
        return None
    minutes = abs(due - now) // timedelta(minutes=1)
    days, hours = minutes // 1440, minutes // 60 % 24
    words = f"{days}天{hours}小时" if days else f"{hours}小时{minutes % 60}分钟" if hours else f"{minutes}分钟"
    return f"还剩{words}" if due > now else f"已超时{words}"


def _unknown() -> HttpResponse:
    text = "请打开本单位最近收到的通知中的链接；没有新通知的，请联系上级主管部门或联席会议办公室。"
    return show(TEMPLATES, "sorry.html", status=404, title="链接无效或已过期", text=text)


def _away() -> HttpResponse:
    text = "系统暂时无法登记，没有保存任何内容。请稍后刷新本页再试；情况紧急的，请直接电话联系并先行处置。"
    return show(TEMPLATES, "sorry.html", status=503, title="暂时无法办理", text=text)
