"""The tests of moving are tested themselves: each fault of mutants/former.py fails what is named there."""

import unittest

import pytest

from idempotency.test_mutants import failing
from mutants import broken_by
from mutants.former import MUTANTS

from . import test_former

CASES = (test_former.FromDatabaseTests, test_former.FromCookieTests, test_former.OptionTests)


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
    assert set().union(*map(names, CASES)) == {each for _, caught in MUTANTS.values() for each in caught}
