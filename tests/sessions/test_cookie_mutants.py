"""The tests of the cookie engine are tested themselves: each fault of mutants/cookies.py fails what is named there."""

import pytest

from mutants.cases import caught_by, names
from mutants.cookies import MUTANTS

from . import test_cookie

CASES = (test_cookie.FormTests, test_cookie.LifeTests, test_cookie.SizeTests, test_cookie.ServerTests)
#: Properties over any input at all: no single fault is theirs alone.
OVER_ANY = {"test_any_session_comes_back", "test_any_cookie_loads_or_is_no_session"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_mutant_is_caught(name):
    make, expected = MUTANTS[name]
    assert caught_by(make, expected, CASES) == set(expected)


def test_every_test_catches_a_mutant():
    everything = names(*CASES)
    assert everything - OVER_ANY == {each for _, caught in MUTANTS.values() for each in caught}
