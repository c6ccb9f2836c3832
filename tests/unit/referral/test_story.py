"""How urgent is the whole of what is known of a child?"""

import itertools

import pytest

from services.referral.domain.rule_rows import GRADES
from services.referral.domain.story import grade_of


@pytest.mark.parametrize("grades", [found for size in range(4) for found in itertools.product(GRADES, repeat=size)])
def test_the_whole_is_as_urgent_as_its_most_urgent_part_however_often_its_parts_can_be_asked(grades: tuple[str, ...]) -> None:
    expected = next((grade for grade in ("red", "amber", "green") if grade in grades), "green")
    assert grade_of(grades) == expected
    assert grade_of(grade for grade in grades) == expected
