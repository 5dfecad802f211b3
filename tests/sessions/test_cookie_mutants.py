"""The tests of the cookie engine are tested themselves: each fault of mutants/cookies.py fails what is named there."""

import unittest

import pytest

from idempotency.test_mutants import failing
from mutants import broken_by
from mutants.cookies import MUTANTS

from . import test_cookie

CASES = (test_cookie.FormTests, test_cookie.LifeTests, test_cookie.SizeTests, test_cookie.ServerTests)
#: Properties over any input at all: no single fault is theirs alone.
OVER_ANY = {"test_any_session_comes_back", "test_any_cookie_loads_or_is_no_session"}


def names(case):
    return set(unittest.TestLoader().getTestCaseNames(case))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_mutant_is_caught(name):
    make, expected = MUTANTS[name]
    caught = set()
    with broken_by(make):
        for case in CASES:
            caught |= failing(case, [each for each in expected if each in names(case)])
    assert caught == set(expected)


def test_every_test_catches_a_mutant():
    everything = set().union(*map(names, CASES))
    assert everything - OVER_ANY == {each for _, caught in MUTANTS.values() for each in caught}
