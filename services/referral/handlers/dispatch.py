"""Which function takes which message? Each registers itself by the type of its message."""

from functools import singledispatch
from typing import Any

from shared.messages import Decision, Message, Moment


@singledispatch
def handle(body: Any, aggregate: Any, at: Moment) -> Decision:
    raise TypeError(type(body).__name__)


def decide(aggregate: Any, message: Message, at: Moment) -> Decision:
    return handle(message.body, aggregate, at)
