"""The two runs of a benchmark: all subjects in turn, and ours beside a million records."""

from collections.abc import Callable

from django.core.management import CommandError
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from harness import Series, rounds, tell
from idempotency_peers import PEERS
from idempotency_report import FIRST, REPLAY, Bar, bars, purge_line, series_name, table, volume_bars
from idempotency_setup import OURS as OUR_APP
from idempotency_setup import make_tables
from idempotency_subjects import OURS, Build, ours, unguarded_subjects
from idempotency_volume import fill, purge, stock, truncate
from stores import another_connection, on, settle
from subjects import NotRun, Subject

WARM_UP = 30  # untimed calls of each


def measure_subjects(samples: int, only: list[str], left_out: dict[str, str]) -> list[Bar]:
    """Measure first request and replay of every subject whose name holds a part in ``only``; print the table."""
    builders = {**unguarded_subjects(), **({} if OUR_APP in left_out else OURS)}
    for distribution, subjects in PEERS.items():
        builders |= {} if distribution in left_out else subjects
    wanted = {
        name: builder
        for name, builder in builders.items()
        if not only or name.startswith("bare") or any(part in name for part in only)
    }
    found = _verified(wanted, left_out)
    if OUR_APP not in left_out:
        stock(connection)
    settle(connection)  # before the warm-up: the first write to a page after a checkpoint logs the whole page
    calls = _calls(found)
    _warm(calls)
    series = rounds(calls, samples, connection.vendor)
    print("\n".join(table(found, series)))
    return bars(found, series)


def _verified(builders: dict[str, Build], left_out: dict[str, str]) -> list[Subject]:
    """Return the subjects that do what they promise; note in ``left_out`` why another is not measured."""
    tried = {name: _built(name, builder) for name, builder in builders.items()}
    left_out |= {name: reason for name, reason in tried.items() if isinstance(reason, str)}
    return [subject for subject in tried.values() if isinstance(subject, Subject)]


def _built(name: str, builder: Build) -> Subject | str:
    """Return the subject, or what is wrong with it."""
    try:
        subject = builder(name)
        subject.verify()
    except Exception as error:  # noqa: BLE001  (whatever it is, it is the finding about this subject)
        return str(error) if isinstance(error, NotRun) else f"{type(error).__name__}: {error}"
    return subject


def _calls(subjects: list[Subject]) -> dict[str, Callable[[], float]]:
    """Return the calls of each subject by the name of their series, with finished requests to repeat."""
    calls: dict[str, Callable[[], float]] = {}
    for subject in subjects:
        calls[series_name(subject.name, FIRST)] = subject.first
        if subject.guarded:
            calls[series_name(subject.name, REPLAY)] = subject.replays()
    return calls


def _warm(calls: dict[str, Callable[[], float]]) -> None:
    for call in calls.values():
        for _ in range(WARM_UP):
            call()


def measure_million(samples: int, second: str, purge_limit: float) -> list[Bar]:
    """Measure ours in turn on a table with a million records and on an empty one, then purge; print the figures."""
    full = another_connection(second)
    with on(full):
        make_tables()
    truncate(connection)
    subjects = [ours("no records"), ours("1 million records")]
    subjects[1].connection = full
    try:
        calls = _calls(subjects)  # what will be replayed is stored first, so its rows lie below the million
        fill(full, expired=False)
        settle(full)
        _warm(calls)
        series = rounds(calls, samples, f"{connection.vendor}, 1 million records")
        print("\n".join(_volume_lines(series)))
        with on(full):
            truncate(full)
            fill(full, expired=True)
            settle(full)
            _purge(full, purge_limit)
    finally:
        full.close()
    return volume_bars(series)


def _purge(full: BaseDatabaseWrapper, limit: float) -> None:
    tell(f"{full.vendor}: purge, at most {limit:.0f} s")
    try:
        print(purge_line(purge(full, limit)))
    except CommandError as error:
        print(f"not run: purge: {error}")


def _volume_lines(series: Series) -> list[str]:
    lines = [""]
    for kind in (FIRST, REPLAY):
        none, million = (series_name(name, kind) for name in ("no records", "1 million records"))
        lines.append(
            f"{kind}: {series.median(million) * 1000:.3f} ms with 1 million records, "
            f"{series.median(none) * 1000:.3f} ms with none, {series.ratio(million, none)}"
        )
    return lines
