"""Which function takes which message? Each registers itself by the type of its message."""

from functools import singledispatch
from typing import Any

from shared.messages import Decision, Moment


@singledispatch
def handle(body: Any, aggregate: Any, at: Moment) -> Decision:
    raise TypeError(type(body).__name__)
