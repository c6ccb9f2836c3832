"""Are ids derived the same way every time, and is every slip of a person's hand found?"""

from datetime import date
from itertools import combinations
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import pytest

from shared import identifiers as ids

TODAY = date(2026, 11, 24)
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
REPORT = UUID("01937f3c-9a00-7abc-8def-0123456789ab")
OTHER = UUID("01937f3c-9a00-7abc-8def-0123456789ac")
CODES = [ids.new_short_code(random) for random in (b"\0" * 5, b"\xff" * 5, b"heli!", b"\x01\x23\x45\x67\x89")]


def is_code(text: str) -> bool:
    try:
        return ids.parse_short_code(text) == text
    except ValueError as error:
        assert str(error) == "short-code-check"  # noqa: PT017 - the name of the rule is what callers show
        return False


def test_uuid7_is_a_real_uuid_in_order_of_time() -> None:
    made = [ids.uuid7() for _ in range(100)]
    assert all(isinstance(one, UUID) and one.version == 7 for one in made)
    assert made == sorted(made)


@pytest.mark.parametrize("name", ["", "urn:heli:agency:town-qinghe", "合力"])
def test_a_name_has_the_id_that_the_standard_library_gives_it(name: str) -> None:
    found = ids.named(NAMESPACE_URL, name)
    assert (found, type(found)) == (uuid5(NAMESPACE_URL, name), type(ids.uuid7()))


def test_a_short_code_has_nine_characters_safe_in_urls_and_speech() -> None:
    assert ids.new_short_code(b"\0" * 5) == "000000000"
    assert all(len(code) == 9 and set(code) <= set(ALPHABET) and is_code(code) for code in CODES)
    assert {ids.new_short_code(bytes([0, 0, 0, 0, last]))[-1] for last in range(32)} == set(ALPHABET)


def test_short_codes_use_all_forty_bits() -> None:
    assert len({ids.new_short_code((1 << bit).to_bytes(5)) for bit in range(40)}) == 40
    with pytest.raises(ValueError, match="random bytes"):
        ids.new_short_code(b"1234")


@pytest.mark.parametrize("code", CODES)
def test_every_single_wrong_character_is_found(code: str) -> None:
    for place in range(9):
        wrong = [code[:place] + other + code[place + 1 :] for other in ALPHABET if other != code[place]]
        assert not any(is_code(text) for text in wrong)


def test_every_swap_of_any_two_different_characters_is_found() -> None:
    for first, second in combinations(range(8), 2):
        for a, b in combinations(range(32), 2):
            digits = [0] * 8
            digits[first], digits[second] = a, b
            code = ids.new_short_code(int("".join(f"{digit:05b}" for digit in digits), 2).to_bytes(5))
            swapped = list(code)
            swapped[first], swapped[second] = code[second], code[first]
            assert not is_code("".join(swapped))


def test_every_swap_with_the_check_character_is_found() -> None:
    for value in range(32**2):
        code = ids.new_short_code(value.to_bytes(5))
        if code[7] != code[8]:
            assert not is_code(code[:7] + code[8] + code[7])


def test_a_code_is_read_as_people_write_it() -> None:
    code = ids.new_short_code(b"\x00\x44\x32\x14\xc7")
    shown = ids.format_short_code(code)
    assert shown == f"{code[:4]}-{code[4:8]}-{code[8]}"
    sloppy = f"  {shown.lower().replace('0', 'o', 1).replace('1', 'l', 1)} "
    wide = shown.translate({ord(character): ord(character) + 0xFEE0 for character in ALPHABET})
    assert "o" in sloppy
    assert "l" in sloppy
    assert [ids.parse_short_code(text) for text in (shown, sloppy, wide, shown.replace("1", "I"))] == [code] * 4


@pytest.mark.parametrize("text", ["", "0000-0000", "0000-0000-00", "0000-0000-U", "0000-0000-*", "0000-0000-é", "0000-0000-٣"])
def test_what_is_no_code_is_refused_by_the_same_rule(text: str) -> None:
    with pytest.raises(ValueError, match=r"^short-code-check$"):
        ids.parse_short_code(text)


def test_the_published_sample_of_the_standard() -> None:
    assert ids.check_id_number("11010519491231002X", TODAY) == ids.IdNumber("11010519491231002X", date(1949, 12, 31), "female", "110105")


@pytest.mark.parametrize(
    "raw", ["23990320100604059x", " 239903 20100604-059x\u3000", "２３９９０３２０１００６０４０５９Ｘ", "239903\u00a020100604’059X"]
)
def test_repairs_and_an_unknown_county_is_no_fault(raw: str) -> None:
    number = ids.check_id_number(raw, TODAY)
    assert (number.value, number.sex, number.county_code) == ("23990320100604059X", "male", "239903")


def with_check(seventeen: str) -> str:
    total = sum(int(digit) * (2 ** (17 - place) % 11) for place, digit in enumerate(seventeen))
    return seventeen + "10X98765432"[total % 11]


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        ("", "id-number-form"),
        ("2399012008021054", "id-number-form"),
        ("2.3990120140727e+17", "id-number-form"),
        ("039901200802105481", "id-number-form"),
        (with_check("23990118000210548"), "id-number-form"),
        ("239901200802105４８１０", "id-number-form"),
        ("239901X00802105481", "id-number-form"),
        ("٢٣٩٩٠١٢٠٠٨٠٢١٠٥٤٨١", "id-number-form"),
        ("239901200802105482", "id-number-checksum"),
        ("239901200820105481", "id-number-checksum"),
        (with_check("23990120080230548"), "id-number-birth-date"),
        (with_check("23990120610210548"), "id-number-birth-date"),
        (with_check("23990120261125548"), "id-number-birth-date"),
    ],
)
def test_each_fault_names_its_rule_and_never_the_number(raw: str, rule: str) -> None:
    with pytest.raises(ids.IdNumberError) as caught:
        ids.check_id_number(raw, TODAY)
    assert (caught.value.rule, str(caught.value)) == (rule, rule)


def test_born_today_is_allowed() -> None:
    assert ids.check_id_number(with_check("23990120261124548"), TODAY).birth_date == TODAY


def test_an_id_number_does_not_show_itself() -> None:
    assert repr(ids.check_id_number("239901200802105481", TODAY)) == "IdNumber(...)"


@pytest.mark.parametrize(
    ("on", "age"), [(date(2012, 2, 29), 0), (date(2013, 2, 28), 0), (date(2013, 3, 1), 1), (date(2016, 2, 28), 3), (date(2016, 2, 29), 4)]
)
def test_age_changes_on_the_birthday(on: date, age: int) -> None:
    assert ids.age_in_years(date(2012, 2, 29), on) == age


def test_nobody_has_an_age_before_birth() -> None:
    with pytest.raises(ValueError, match="born after"):
        ids.age_in_years(date(2012, 2, 29), date(2012, 2, 28))


def test_a_child_id_depends_on_number_and_key_alone() -> None:
    one = ids.child_id(b"key", "239901200802105481")
    assert one == UUID("78ae768b-5cc5-8a3d-8a3c-a8ecf2c31e96")
    assert one.version == 8
    assert len({one, ids.child_id(b"other", "239901200802105481"), ids.child_id(b"key", "23990320100604059X")}) == 3


def test_a_child_without_number_has_the_id_of_its_place_in_the_report() -> None:
    made = {ids.derived_child_id(report, number) for report in (REPORT, OTHER) for number in range(1, 50)}
    assert len(made) == 98
    assert {one.version for one in made} == {8}
    assert ids.derived_child_id(REPORT, 1) in made


def test_a_case_begins_with_the_time_of_its_report_and_ends_with_zero() -> None:
    made = {ids.case_id(report, number) for report in (REPORT, OTHER) for number in range(1, 50)}
    assert len(made) == 98
    assert {one.bytes[:6] for one in made} == {REPORT.bytes[:6]}
    assert {(one.version, one.variant, one.bytes[-1]) for one in made} == {(8, REPORT.variant, 0)}
    assert ids.case_id(REPORT, 1) in made


def test_numbers_of_children_start_at_one() -> None:
    for derive in (ids.case_id, ids.derived_child_id):
        with pytest.raises(ValueError, match="numbered from 1"):
            derive(REPORT, 0)


def test_a_leg_leads_back_to_its_case() -> None:
    case = ids.case_id(REPORT, 1)
    legs = [ids.leg_id(case, number) for number in range(1, 256)]
    assert len(set(legs)) == 255
    assert {ids.case_of(leg) for leg in legs} == {case}
    assert [ids.leg_number(leg) for leg in legs] == list(range(1, 256))


@pytest.mark.parametrize("number", [-1, 0, 256])
def test_a_leg_number_is_one_byte_and_not_zero(number: int) -> None:
    with pytest.raises(ValueError, match="1 to 255"):
        ids.leg_id(ids.case_id(REPORT, 1), number)


def test_a_leg_needs_a_case_and_a_case_has_no_leg_number() -> None:
    with pytest.raises(ValueError, match="id of a case"):
        ids.leg_id(UUID(bytes=uuid4().bytes[:-1] + b"\1"), 1)
    with pytest.raises(ValueError, match="not of a leg"):
        ids.leg_number(ids.case_id(REPORT, 1))
