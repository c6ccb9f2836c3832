"""Does the tree name no machine, no mirror and no secret, and do pages load nothing from elsewhere?"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guards.sources import ROOT, SKIPPED, Fault, shown

TEXT = {
    ".py", ".md", ".toml", ".txt", ".yaml", ".yml", ".json", ".jsonl", ".html", ".css", ".sh", ".xml", ".sql", ".cfg", ".ini", ".tpl", "",
}  # fmt: skip
FOLDERS = ("services", "shared", "deploy", "tests", ".ci")
PLACES = re.compile(r"(?<![\w.\-/}])/(?:root|home|work|Users|mnt|workspace)/[\w.\-]+|\b[A-Z]:\\\\?Users\\")
REGISTRIES = re.compile(
    r"(?:--index-url|--extra-index-url|--trusted-host|index-url\s*=)|https?://[^\s/]*(?:pypi|artifactory|nexus|jfrog|mirror|pythonhosted)",
    re.IGNORECASE,
)
SECRETS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY|\beyJ[\w-]{20,}\.eyJ[\w-]{20,}|\bAKIA[0-9A-Z]{16}|\bghp_\w{30,}")
SIGNING = re.compile(r"\bwhsec_[A-Za-z0-9+/]{32,}")
"""Tests sign with throw-away secrets; nothing else may hold one."""
RULES = ((PLACES, "an absolute path of one machine"), (REGISTRIES, "a registry or mirror of one network"), (SECRETS, "a secret"))
LOADS = re.compile(r"""(?:\b(?:href|src|action|srcset|poster|data)\s*=\s*["']?|url\(\s*["']?|@import\s+["']?)([^"'\s>)]*)""", re.IGNORECASE)
NEAR = re.compile(r"^(?:[#?]|tel:|data:,|\{\{|\.{0,2}/(?!/)|[\w\-.]+(?:/|$)|$)")
"""Relative to where we are, a telephone, or nothing. `/` is the same origin; `//` is another's."""


def text_files(root: Path) -> Iterator[Path]:
    for folder in FOLDERS:
        yield from (p for p in sorted((root / folder).rglob("*")) if p.is_file() and p.suffix in TEXT and not SKIPPED.intersection(p.parts))
    yield from (path for path in sorted(root.iterdir()) if path.is_file() and path.suffix in TEXT)


OWN = "tests/guards/test_secrets.py"
"""Names what it forbids."""


def faults_in(root: Path) -> Iterator[Fault]:
    for path in (path for path in text_files(root) if path != root / OWN):
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            place = str(path.relative_to(root))
            yield from (Fault(place, number, rule) for pattern, rule in RULES if pattern.search(line))
            if SIGNING.search(line) and not place.startswith("tests/"):
                yield Fault(place, number, "a signing secret")


def page_faults(root: Path) -> Iterator[Fault]:
    """What a page or style sheet loads or leads to is ours: it works where the Internet does not, and tells nobody who reads it."""
    for path in sorted([*(root / "services").rglob("*"), *(root / "shared").rglob("*")]):
        if path.suffix not in {".html", ".css", ".js", ".svg"}:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for target in LOADS.findall(line):
                if not NEAR.match(target):
                    yield Fault(str(path.relative_to(root)), number, f"leads elsewhere: {target}")


def test_no_machine_no_mirror_and_no_secret_is_named() -> None:
    assert shown(faults_in(ROOT)) == []


def test_pages_load_nothing_from_elsewhere() -> None:
    assert shown(page_faults(ROOT)) == []


def test_the_guard_sees_pages() -> None:
    assert list((ROOT / "services").rglob("templates/*.html"))
    assert (ROOT / "shared" / "web" / "base.html").exists()


def planted(root: Path, name: str, text: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"first line\n{text}\n", encoding="utf-8")
    return root


SLASH = "/"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (f"see {SLASH}root{SLASH}main", "an absolute path of one machine"),
        (f"'{SLASH}home{SLASH}li{SLASH}heli'", "an absolute path of one machine"),
        (f"cd {SLASH}work{SLASH}main", "an absolute path of one machine"),
        ("--index" + "-url https://a.example/simple", "a registry or mirror of one network"),
        ("https://" + "mirror.example/maven2", "a registry or mirror of one network"),
        ("https://" + "artifactory.example/api", "a registry or mirror of one network"),
        ("-----BEGIN " + "PRIVATE KEY-----", "a secret"),
    ],
)
@pytest.mark.parametrize("name", ["deploy/up.sh", "services/x/api.py", "tests/a.json", "Makefile"])
def test_a_planted_line_is_named(tmp_path: Path, name: str, text: str, rule: str) -> None:
    assert shown(faults_in(planted(tmp_path, name, text))) == [f"{name}:2: {rule}"]


def test_a_signing_secret_is_named_except_in_tests(tmp_path: Path) -> None:
    for name in ("services/x/api.py", "tests/unit/test_a.py"):
        planted(tmp_path, name, "whsec" + "_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr")
    assert shown(faults_in(tmp_path)) == ["services/x/api.py:2: a signing secret"]


@pytest.mark.parametrize(
    "text", ["GET /intake/reports", f"{{root}}{SLASH}work{SLASH}a", "https://127.0.0.1/", "the url of a home", f".heli{SLASH}home{SLASH}a"]
)
def test_a_plain_line_is_not_named(tmp_path: Path, text: str) -> None:
    assert shown(faults_in(planted(tmp_path, "deploy/a.py", text))) == []


@pytest.mark.parametrize(
    ("line", "target"),
    [
        ('<script src="https://unpkg.com/htmx.org"></script>', "https://unpkg.com/htmx.org"),
        ('<link rel="stylesheet" href="//cdn.example/a.css">', "//cdn.example/a.css"),
        ("<img src='HTTP://example.org/a.png'>", "HTTP://example.org/a.png"),
        ("body { background: url(https://example.org/a.png) }", "https://example.org/a.png"),
        ('@import "https://fonts.example/css";', "https://fonts.example/css"),
        ('<form action="https://example.org/post">', "https://example.org/post"),
        ('<a href="javascript:go()">', "javascript:go("),
    ],
)
def test_a_page_that_loads_from_elsewhere_is_named(tmp_path: Path, line: str, target: str) -> None:
    name = "services/x/templates/a.html"
    assert shown(page_faults(planted(tmp_path, name, line))) == [f"{name}:2: leads elsewhere: {target}"]


@pytest.mark.parametrize(
    "line", ['<a href="#name">', '<a href="tel:110">', '<form action="/intake/report">', '<a href="">', '<img src="a.png">']
)
def test_a_page_that_stays_here_is_not_named(tmp_path: Path, line: str) -> None:
    assert shown(page_faults(planted(tmp_path, "shared/web/a.html", line))) == []
