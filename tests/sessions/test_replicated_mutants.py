"""The tests of copies are tested themselves: each fault of mutants/replicated.py fails what is named there."""

import pytest

from mutants.cases import caught_by, names
from mutants.replicated import MUTANTS
from services import needs

from .test_replicated_faults import FaultTests


@needs("redis", "postgres")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.django_db(transaction=True, databases=["default", "postgres"])
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_mutant_is_caught(name):
    make, expected = MUTANTS[name]
    assert caught_by(make, expected, [FaultTests]) == set(expected)


def test_every_test_catches_a_mutant():
    assert names(FaultTests) == {each for _, caught in MUTANTS.values() for each in caught}
