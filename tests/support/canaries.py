"""Which made-up identities are sent through everything, to see that they come out nowhere?"""

from typing import Any

from tests.support.reports import number

NAME, SIBLING, FACTS, RECEIVER = "金丝雀甲乙", "金丝雀丙丁", "金丝雀事实叙述在此", "金丝雀接报人"
ID_NUMBER = number("2016-03-04".replace("-", ""), order=17)
PHONE = "15400007788"
ALL = (NAME, SIBLING, FACTS, RECEIVER, ID_NUMBER, PHONE)
CHILDREN: list[dict[str, Any]] = [
    {"name": NAME, "sex": "female", "birth_date": "2016-03-04", "id_number": ID_NUMBER},
    {"name": SIBLING, "sex": "male", "age": 5, "groups": ["K4"]},
]


def found_in(text: str) -> list[str]:
    """Canaries in a text, also when they were escaped as JSON does."""
    return [canary for canary in ALL if canary in text or canary.encode("unicode_escape").decode() in text]
