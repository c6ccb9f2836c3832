"""Does every row of the rules name the text in which it was read, and how surely?"""

from tests.unit.referral.test_obligations import ROWS

READ = """
    R01 Q S01 4(1)
    R02 Q S02 2; S02 4
    R03 Q S03 11(2)
    R04 M S02 5
    R05 S S12
    R06 Q S03 40
    R07 Q S33a 52
    R08 Q S33b 33
    R09 Q S05 14
    R10 Q S03 43
    R11 Q S03 118
    R12 Q S21 35
    R15 Q S03 11(3)
    P01 S S02 8; S23
    P02 Q S01 4(2)
    P03 Q S02 8; S23 110
    P04 S S23
    P05 S S23
    P06 Q S22 90
    P07 Q S22 118
    P08 S police-rules; S01 4(2); S18 3(2)
    P09 S S02 10
    P10 S S02 10
    P11 Q S01 4(2)
    P12 S S04 11
    P13 M S04 12; S18 3(1)
    P14 M S04 13
    P15 Q S05 16; S05 17
    P16 Q S03 118; S33c 49
    P17 Q S16 2(4)
    P18 Q S17 4(2)
    T01 Q S01 4(3)
    T02 Q S01 4(3)
    T03 Q S01 3(2); S16 3(1)
    T05 Q S01 3(2)
    T06 S S12
    T07 S S12
    T08 Q S03 92
    T09 M S04 15
    T10 M S04 19
    T11 M S04 19
    T12 M S04 21; S04 22
    T13 Q S17 2(2)
    T14 Q S17 2(3)
    T15 Q S17 3(4)
    T16 Q S18 3(3)
    T17 Q S03 114
    E01 Q S21 34
    E02 Q S03 28
    E03 Q S01 3(3)
    E04 Q S03 83
    E05 Q S09 58
    E06 Q S09 11
    E11 S S08
    E13 S S32
    G05 Q S03 21
    G06 Q S03 92
    G07 Q S03 93
    G08 Q S03 94
    G09 Q S06 31; S06 34
    C01 Q S05 28
    C02 Q S05 30
    C03 Q S05 31
    C05 Q S05 32
    C06 M S04 24
    C07 S S01 4(4); S04 35
    C08 Q S06 36
    C09 M S04 32
    C10 M S04 38; S06 38
    C11 M S04 41
    C12 M S04 44
    C13 M S23 113
    H01 Q S11 7
    H02 M S10 2
    H03 S S10
    H04 S S12
    H05 - S10
    H06 L local-rules
"""
"""How sure each row is and where it was read, once more from the tables of the law; of two marks the weaker one is the row's."""


def test_every_row_names_where_it_was_read_and_how_surely() -> None:
    assert [f"{row.id} {row.mark or '-'} {row.source}" for row in ROWS.values()] == [line.strip() for line in READ.strip().splitlines()]
