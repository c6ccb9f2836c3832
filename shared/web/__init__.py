"""How is a page for people rendered? On the server, in Chinese, complete in one answer: no script, no font, nothing from elsewhere."""

import base64
import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Response as HttpResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from shared.identifiers import format_short_code

PEOPLE = ZoneInfo("Asia/Shanghai")
EMERGENCY_PHONE = "110"
_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "style.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address of a page may be a capability
    "Content-Security-Policy": (
        f"default-src 'none'; img-src data:; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}
"""What every page says beside its text."""


def pages(folder: Path) -> Environment:
    """A Jinja environment over a service's `templates/` and the shared base: `{% extends "base.html" %}`, blocks `title` and `main`."""
    environment = Environment(
        loader=FileSystemLoader([folder, _FOLDER]), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["style"] = Markup(_STYLE)  # noqa: S704 - our own file, and its hash is in the policy
    environment.globals["emergency"] = EMERGENCY_PHONE
    environment.filters["local"] = local
    environment.filters["code"] = format_short_code
    return environment


def show(environment: Environment, template: str, *, status: int = 200, **values: Any) -> HttpResponse:
    """One whole page as an answer."""
    return HttpResponse(environment.get_template(template).render(values), status, HEADERS, "text/html; charset=utf-8")


def see(path: str) -> HttpResponse:
    """After a form was taken: look at the result by GET (303), so that a reload sends nothing twice."""
    return HttpResponse(b"", 303, {"Location": path, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"})


def local(at: datetime) -> str:
    """A moment as people here write it, in their own time zone: 11月24日 14:39."""
    there = at.astimezone(PEOPLE)
    return f"{there.month}月{there.day}日 {there:%H:%M}"
