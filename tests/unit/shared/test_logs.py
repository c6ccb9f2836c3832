"""Does a line of a library's log hold nothing but names of types and places?"""

import json
import logging
from collections.abc import Iterator

import pytest

from shared import logs

NAME = "王小明"


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, given back as it was."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    yield root
    root.handlers[:], root.level = before


def test_a_librarys_traceback_holds_types_and_places_and_no_value(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("test")
    try:
        try:
            int(NAME)
        except ValueError as reason:
            raise KeyError(NAME) from reason
    except KeyError:
        logging.getLogger("library").exception("%s cannot be read", NAME, stack_info=True)
    said = capsys.readouterr().out.strip().splitlines()
    assert NAME not in "".join(said)
    assert json.loads(said[0]) == {"logger": "library", "level": "ERROR", "event": "library"}
    told = json.loads(said[1])
    assert told["error"] == ["KeyError", "ValueError"]
    assert told["frames"][0].startswith("test_logs.py:")
    assert root.handlers


def test_an_http_client_never_says_an_address(root: logging.Logger) -> None:
    logs.configure("test")
    root.setLevel(logging.DEBUG)
    assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
    assert not logging.getLogger("httpcore.connection").isEnabledFor(logging.INFO)
