"""The tests of moving are tested themselves: each fault of mutants/former.py fails what is named there."""

import pytest

from mutants.cases import caught_by, names
from mutants.former import MUTANTS

from . import test_former

CASES = (test_former.FromDatabaseTests, test_former.FromCookieTests, test_former.OptionTests)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_mutant_is_caught(name):
    make, expected = MUTANTS[name]
    assert caught_by(make, expected, CASES) == set(expected)


def test_every_test_catches_a_mutant():
    assert names(*CASES) == {each for _, caught in MUTANTS.values() for each in caught}
