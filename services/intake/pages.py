"""How does a person file a report? One form, without script, on a phone; the same checks and the same message as by HTTP."""

import hashlib
import secrets
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter, Depends, Request
from fastapi import Response as HttpResponse
from pydantic import ValidationError

from services.intake.domain.told import FACTS, Told
from shared.database import AWAY
from shared.errors import Problem, Unavailable
from shared.http import KEY_LIMIT, invalid
from shared.identity import Allow, Caller
from shared.messages import Message
from shared.regions import Region, Regions
from shared.web import pages, show

BLOCKS = 3
"""Children in the form; a report by HTTP takes 20."""
NEARBY = 400
SITUATIONS = {
    "失踪或来历不明": {
        "L1b": "孩子失踪、联系不上",
        "M7": "来历不明、失踪，或被拐卖、收买",
    },
    "没有人照看": {
        "L1a": "孩子独自居住生活",
        "L2": "监护人没有能力照看，或不管孩子",
        "M6": "被遗弃，或长期没有人照料",
    },
    "受到伤害或有危险": {
        "L3": "疑似遭受家庭暴力",
        "L4": "疑似意外受伤，或受到不法侵害",
        "M4": "身上多处受伤、严重营养不良或神志不清，疑似被打、被欺凌、被虐待、被下药",
        "M5": "因自杀、自残、工伤、中毒、被打等非正常原因受伤或死亡",
        "M8": "被人组织乞讨",
        "M9": "其他严重伤害，或正面临危险",
    },
    "疑似性侵害": {
        "M1": "隐私部位受伤或疑似受伤",
        "M2": "不满14岁的女孩：疑似被性侵、怀孕或流产",
        "M3": "14岁以上的女孩：疑似因性侵怀孕或流产",
    },
}
GROUPS = {
    "K1": "没有人监护",
    "K2": "父母一方外出，另一方没有能力照看",
    "K3": "失学、辍学",
    "K4": "没有户口",
    "K5": "患病",
    "K6": "残疾",
}
SEXES = {"female": "女", "male": "男", "unknown": "不清楚"}
SENTENCES = {
    "missing": "请填写这一项",
    "string_too_short": "请填写这一项",
    "string_too_long": "字数太多",
    "literal_error": "请选择一项",
    "int_type": "年龄请填整数，例如 9",
    "greater_than_equal": "年龄请填 0 到 120",
    "less_than_equal": "年龄请填 0 到 120",
    "nul": "文字中有无法保存的字符，请重新输入",
    "nothing-reported": "请至少选择一种情形，或一类重点对象",
    "seen-at-form": "请填写发现的日期和时间",
    "seen-at-future": "发现时间不能晚于现在",
    "region-unknown": "没有这个区划代码，请填 6、9 或 12 位数字",
    "age-or-birth-date": "出生日期和年龄请填一个，只填一个",
    "birth-date-form": "请填写正确的出生日期",
    "birth-date-range": "出生日期不能晚于今天",
    "id-number-form": "身份证号应为 18 位；没有户口或不清楚的请留空",
    "id-number-checksum": "身份证号有误，请逐位核对",
    "id-number-birth-date": "身份证号中的出生日期有误，请核对",
    "id-number-mismatch": "身份证号与出生日期、年龄或性别不符，请核对是不是孩子本人的",
    "id-number-twice": "这个身份证号已经填给另一个孩子",
    "nobody-under-18": "至少有一人不满 18 岁",
}
TEMPLATES = pages(Path(__file__).parent / "templates")

router = APIRouter(tags=["pages"], include_in_schema=False)


@router.get("/report", dependencies=[Depends(Allow())])
async def form(request: Request, k: str = "") -> HttpResponse:
    """The empty form, for whoever has a reporter unit's link."""
    caller = _reporter(request, k)
    return _form(caller, {"k": k, "key": secrets.token_urlsafe(18)}, {}) if caller else _whom_to_ask()


@router.post("/report", dependencies=[Depends(Allow())])
async def send(request: Request) -> HttpResponse:
    """Takes the form, or shows it again with what is to be corrected and all that was entered."""
    body = await request.body()
    try:
        given = parse_qs(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError:
        return _sorry(400, "表单无法读取", "没有保存任何内容。请回到表单，重新填写后提交。")
    entered = {
        name: values if name in ("situations", "groups") else values[-1].strip().replace("\r\n", "\n") for name, values in given.items()
    }
    caller = _reporter(request, str(entered.get("k", "")))
    if caller is None:
        return _whom_to_ask()
    try:
        return await _take(request, caller, entered, hashlib.sha256(b"POST\n/intake/report\n" + body).digest())
    except (Unavailable, *AWAY):
        return _sorry(503, "报告没有保存", "系统暂时无法保存报告。请立即拨打110，说明孩子的情况；稍后刷新本页即可重新提交，不会重复。")


async def _take(request: Request, caller: Caller, entered: dict[str, Any], digest: bytes) -> HttpResponse:
    key = entered.get("key", "")
    if not 0 < len(key) <= KEY_LIMIT or not key.isascii() or not key.isprintable():
        return _sorry(400, "表单已失效", "没有保存任何内容。请重新打开您单位的报告链接。")

    async def seal(message: Message) -> Message:
        return msgspec.structs.replace(message, id=key, digest=digest)

    blocks = [n for n in range(BLOCKS) if n == 0 or any(entered.get(f"children-{n}-{name}") for name in FIELDS)]
    try:
        response = await request.app.state.file(request, caller, Told.model_validate(_told(entered, blocks)), seal)
    except ValidationError as error:
        return _form(caller, entered, _errors(invalid(error), blocks))
    except Problem as problem:
        if not problem.faults:
            raise
        return _form(caller, entered, _errors(problem, blocks))
    if response.status != 202:  # noqa: PLR2004 - the key was used for another form
        return _sorry(422, "这份表单已经提交过", "之前提交的报告已经保存。如需补充或报告另一件事，请重新打开您单位的报告链接。")
    return show(TEMPLATES, "receipt.html", **msgspec.json.decode(response.body))


FIELDS = ("name", "sex", "birth_date", "age", "id_number")


def _told(entered: Mapping[str, Any], blocks: list[int]) -> dict[str, Any]:
    """What was entered, in the form in which a report is filed; an empty field is an absent one."""
    day, time = entered.get("seen_date", ""), entered.get("seen_time", "")
    told = {
        "situations": entered.get("situations", ()),
        "groups": entered.get("groups", ()),
        "seen_at": f"{day}T{time[:5]}:00+08:00",
        "children": [_child(entered, f"children-{n}-") for n in blocks],
    }
    return told | {name: entered[name] for name in ("region", "facts", "received_by") if entered.get(name)}


def _child(entered: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    child = {name: entered[prefix + name] for name in FIELDS if entered.get(prefix + name)}
    age = child.get("age", "")
    if age.isascii() and age.isdigit() and len(age) <= 3:  # noqa: PLR2004 - 120 at most
        child["age"] = int(age)
    return child | ({"age_estimated": True} if entered.get(f"{prefix}age_estimated") else {})


def _errors(problem: Problem, blocks: list[int]) -> dict[str, str]:
    """Field of the form -> sentence, in the order of the rules; the first of each field."""
    errors: dict[str, str] = {}
    for fault in problem.faults:
        errors.setdefault(_field(fault.pointer, blocks), SENTENCES.get(fault.rule, "请检查这一项"))
    return errors


def _field(pointer: str, blocks: list[int]) -> str:
    parts = pointer.strip("/").split("/")
    if parts[0] != "children":
        return parts[0]
    block = blocks[int(parts[1])] if len(parts) > 1 else 0
    return f"children-{block}-{parts[2] if len(parts) > 2 else 'age'}"  # noqa: PLR2004 - /children/0/name


def _form(caller: Caller, entered: Mapping[str, Any], errors: Mapping[str, str]) -> HttpResponse:
    return show(
        TEMPLATES,
        "report.html",
        status=422 if errors else 200,
        entered=entered,
        errors=errors,
        situations=SITUATIONS,
        groups=GROUPS,
        sexes=SEXES,
        blocks=range(BLOCKS),
        nearby=_nearby(caller.region),
        facts_limit=FACTS,
    )


def _reporter(request: Request, token: str) -> Caller | None:
    """Whoever holds a valid token of a reporter unit; the link carries it."""
    try:
        caller: Caller = request.app.state.keys.caller(token)
    except Problem:
        return None
    return caller if caller.kind == "reporter" else None


@cache
def _nearby(code: str) -> tuple[Region, ...]:
    """Places in the unit's own county, to pick from; none where that would be too many."""
    regions = Regions.load()
    own = regions.find(code)
    county = own and (regions.county(own) or own)
    found = tuple(region for region in regions if county and region.level in ("township", "village") and regions.within(region, county))
    return found if len(found) <= NEARBY else ()


def _whom_to_ask() -> HttpResponse:
    return _sorry(401, "链接无效或已过期", "请向您单位的负责人，或县（市、区）民政局索取新的报告链接。没有保存任何内容。")


def _sorry(status: int, title: str, text: str) -> HttpResponse:
    return show(TEMPLATES, "sorry.html", status=status, title=title, text=text)
