"""The decisions by themselves: no network, no waiting."""

from email.utils import formatdate

import pytest

from django_dist.client import Retries, RetryBudget
from django_dist.client.retries import NO_ANSWER, Outcome, retry_after

KEYED = {"Idempotency-Key": "k"}


def pauses(retries: Retries, outcome: Outcome, method: str = "POST", headers: dict[str, str] = KEYED) -> list[float]:
    turns = retries.turns(method, headers, rewindable=True)
    next(turns)
    found = []
    while (pause := turns.send(outcome)) is not None:
        found.append(pause)
    return found


def test_pauses_grow_to_the_longest_and_differ() -> None:
    many = [pauses(Retries(tries=8, pause=1, longest_pause=8, elapsed=1000), NO_ANSWER) for _ in range(200)]
    for retry in range(7):
        limit = min(8, 2**retry)
        drawn = [one[retry] for one in many]
        assert 0 <= min(drawn) < 0.2 * limit
        assert 0.8 * limit < max(drawn) <= limit


def test_pause_stands_on_top_of_retry_after() -> None:
    outcome = Outcome(503, {"Retry-After": "7"})
    found = pauses(Retries(pause=1, longest_pause=2, elapsed=1000), outcome)
    assert len(found) == 4
    assert all(7 <= pause <= 9 for pause in found)


def test_no_try_begins_after_the_time_is_over() -> None:
    assert pauses(Retries(elapsed=6.5), Outcome(503, {"Retry-After": "7"})) == []
    assert pauses(Retries(elapsed=0), NO_ANSWER) == []


def test_post_without_a_key_is_not_repeated_and_put_is() -> None:
    assert pauses(Retries(), NO_ANSWER, headers={}) == []
    assert pauses(Retries(), NO_ANSWER, headers={"Idempotency-Key": ""}) == []
    assert len(pauses(Retries(), NO_ANSWER, "PUT", {})) == 4


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"Retry-After": "12"}, 12),
        ({"Retry-After": " 12 "}, 12),
        ({"Retry-After": "-1"}, 0),
        ({"Retry-After": "1.5"}, 0),
        ({"Retry-After": "²"}, 0),
        ({"Retry-After": "9" * 400}, 999_999_999),
        ({"Retry-After": "soon"}, 0),
        ({"Retry-After": formatdate(1000, usegmt=True), "Date": formatdate(970, usegmt=True)}, 30),
        ({"Retry-After": formatdate(1000, usegmt=True), "Date": formatdate(1001, usegmt=True)}, 0),
        ({"Retry-After": formatdate(1000, usegmt=True), "Date": "never"}, 0),
    ],
)
def test_retry_after_is_read_in_both_forms_by_the_servers_clock(headers: dict[str, str], seconds: float) -> None:
    assert retry_after(Outcome(503, headers)) == seconds


def test_budget_lets_a_share_of_the_requests_be_retries() -> None:
    budget = RetryBudget(ratio=0.2, reserve=10)
    granted = 0
    for _ in range(1000):
        budget.deposit()
        granted += sum(budget.withdraw() for _ in range(4))
    assert granted in range(205, 211)


def test_budget_holds_no_more_than_its_reserve() -> None:
    budget = RetryBudget(ratio=1, reserve=3)
    for _ in range(50):
        budget.deposit()
    assert [budget.withdraw() for _ in range(4)] == [True, True, True, False]


def test_nonsense_is_refused() -> None:
    for wrong in ({"tries": 0}, {"elapsed": -1}, {"pause": -0.1}, {"longest_pause": -1}):
        with pytest.raises(ValueError, match="tries must be at least 1"):
            Retries(**wrong)
    with pytest.raises(ValueError, match="below 0"):
        RetryBudget(ratio=-1)
