"""Claims of many processes, some of which are killed: one winner, and nothing is lost or stuck."""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from lengths import rounds

from .clients import PATIENCE, until
from .databases import SITE, Database, environment

STORES = ["postgres", "mysql", "sqlite"]


def consumer(database: Database, folder: Path, *arguments: object, **surroundings: str) -> "subprocess.Popen[str]":
    """Start a consumer of messages."""
    return subprocess.Popen(
        [sys.executable, "-m", "ledger.claimant", *map(str, arguments)],
        cwd=SITE,
        env={**environment(database, folder), **surroundings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def told_by(process: "subprocess.Popen[str]", patience: float = PATIENCE) -> list[str]:
    """Return the lines that a process has printed at its end, which must be a good one."""
    out, err = process.communicate(timeout=patience)
    assert process.returncode == 0, err
    return out.splitlines()


@pytest.mark.parametrize("database", STORES, indirect=True)
def test_storm_of_claims_has_one_winner_a_key(database: Database, tmp_path: Path, tell: Callable[[str], None]) -> None:
    processes, claims, keys = rounds(4, 16), rounds(250, 10_000), rounds(50, 1_000)
    database.rows("DELETE FROM django_dist_dedupe")
    database.rows("DELETE FROM ledger_effect WHERE order_name LIKE 'storm%%'")
    consumers = [consumer(database, tmp_path, "storm", seed, claims, keys) for seed in range(processes)]
    told = [tuple(map(int, line.split())) for each in consumers for line in told_by(each, rounds(120, 3600))]
    effects = database.rows("SELECT order_name, count(*) FROM ledger_effect WHERE order_name LIKE 'storm%%' GROUP BY 1")
    assert sorted(effects) == sorted((f"storm {number}", 1) for number in range(keys))
    assert sum(won for won, _ in told) == keys
    ((entries,),) = database.rows("SELECT count(*) FROM django_dist_dedupe WHERE scope = 'storm'")
    assert entries == keys
    again = sum(again for _, again in told)
    tell(f"{processes} x {claims} claims, winners expected and counted {keys}, transactions delivered again {again}")


@pytest.mark.parametrize("database", STORES, indirect=True)
def test_killed_claimant_frees_its_key_at_once(database: Database, tmp_path: Path) -> None:
    for _ in range(rounds(1, 20)):
        key = uuid4().hex
        holder = consumer(database, tmp_path, "hold", key)
        until(lambda: (tmp_path / f"held-{key}").exists(), "the holder has claimed")  # noqa: B023
        waiter = consumer(database, tmp_path, "take", key)
        until(lambda: (tmp_path / f"asked-{key}").exists(), "another asks for the key")  # noqa: B023
        assert waiter.poll() is None
        assert not (tmp_path / f"taken-{key}").exists()
        os.kill(holder.pid, signal.SIGKILL)
        holder.communicate(timeout=PATIENCE)
        assert told_by(waiter) == [f"{key} True"]
        assert told_by(consumer(database, tmp_path, "take", key)) == [f"{key} False"]
        assert database.effects(key) == 1


@pytest.mark.parametrize("database", STORES, indirect=True)
@pytest.mark.parametrize(("point", "lasts"), [("handler", False), ("committed", True)])
def test_message_delivered_again_after_a_kill_takes_effect_once(
    database: Database, tmp_path: Path, point: str, lasts: bool
) -> None:
    key = uuid4().hex
    killed = consumer(database, tmp_path, "take", key, DIE=f"{key}@{point}")
    killed.communicate(timeout=PATIENCE)
    assert killed.returncode == -signal.SIGKILL
    assert database.effects(key) == int(lasts)
    assert told_by(consumer(database, tmp_path, "take", key)) == [f"{key} {not lasts}"]
    assert database.effects(key) == 1


@pytest.mark.parametrize("database", STORES, indirect=True)
def test_kills_at_random_moments_lose_and_double_nothing(
    database: Database, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    kills, count, told = rounds(3, 50), rounds(300, 1_000), random.Random(7)
    keys = [uuid4().hex for _ in range(count)]
    struck = 0
    for _ in range(kills):
        victims = [consumer(database, tmp_path, "take", *told.sample(keys, count)) for _ in range(2)]
        for victim in victims:
            assert victim.stdout is not None
            assert victim.stdout.readline()  # it is at work
        threading.Event().wait(told.uniform(0.0, 0.1))
        for victim in victims:
            victim.kill()
            victim.communicate(timeout=PATIENCE)
            struck += victim.returncode == -signal.SIGKILL
    told_by(consumer(database, tmp_path, "take", *keys), 120)
    effects = dict(database.rows("SELECT order_name, count(*) FROM ledger_effect GROUP BY order_name"))
    assert [effects.get(key) for key in keys] == [1] * count
    tell(f"{struck} of {2 * kills} killed at work, effects expected and counted {count}")
