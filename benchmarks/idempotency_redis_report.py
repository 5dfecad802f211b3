"""The figures of a run with Redis, and the bars that they are held to, each in the readings that its wording has."""

from collections.abc import Iterator, Sequence
from typing import Final

from harness import Bar, Figure, Lookup, Series
from idempotency_report import FIRST, REPLAY, series_name
from idempotency_setup import OURS

OURS_FIRST, OURS_REPLAY, BARE = series_name(OURS, FIRST), series_name(OURS, REPLAY), series_name("bare", FIRST)
ONE, TWO = "one round trip", "two round trips"
ALONE, ALONE_ONE, BARE_TWO = "handler alone", "handler, one round trip", "bare, two round trips"
MOST_FIRST, MOST_REPLAY = 1.6, 1.3
LEAST_S: Final = 1e-6  # trips that add nothing measurable leave no ratio


def lines(series: Series) -> Iterator[str]:
    """Yield a line a series: its median, and its surplus over the view or the handler without a guard."""
    yield f"\n{'':32} {'us':>8}  {'surplus over':16} {'us':>8}"
    for name in series.seconds:
        base = _base(name)
        surplus = f"{base:16} {(series.median(name) - series.median(base)) * 1e6:8.0f}" if base else ""
        yield f"{name:32} {series.median(name) * 1e6:8.0f}  {surplus}".rstrip()
    for kind, name, tripping, trips, most in (
        (FIRST, OURS_FIRST, BARE_TWO, 2, MOST_FIRST),
        (REPLAY, OURS_REPLAY, ALONE_ONE, 1, MOST_REPLAY),
    ):
        if name in series:
            own = max(0.0, series.median(name) - series.median(tripping)) * 1e6
            least = own / (trips * (most - 1))
            yield f"{kind}: {own:.0f} us beside its trips; {most}x holds where one takes {least:.0f} us (calculated)"


def _base(name: str) -> str | None:
    if name in (BARE, ALONE, ONE, TWO):
        return None
    return ALONE if name.endswith(REPLAY) or name == ALONE_ONE else BARE


def bars(series: Series, rivals: Sequence[str]) -> list[Bar]:
    """Return the bars on first request and replay, and on each peer.

    "1.6x of two round trips over the unguarded view" is read in three ways: the surplus over the view, to what two
    round trips around that very view add, and to what they take by themselves, one right after the other; and the
    whole request, to the view and its two round trips. The replay likewise, with Django's handler for the view, which
    a replay does not run; and, by the letter, to the view and one round trip.
    """
    return [
        *_readings("first request", MOST_FIRST, series, OURS_FIRST, BARE, BARE_TWO, TWO),
        *_readings("replay", MOST_REPLAY, series, OURS_REPLAY, ALONE, ALONE_ONE, ONE),
        _replay_to_view(series),
        *(
            Bar(f"{kind}, to {rival}", 1.0, series.ratio(series_name(OURS, kind), series_name(rival, kind)))
            for rival in rivals
            for kind in (FIRST, REPLAY)
        ),
    ]


def _readings(what: str, most: float, series: Series, name: str, base: str, tripping: str, trips: str) -> Iterator[Bar]:
    readings: dict[str, Figure] = {
        f"surplus over {base!r}, to that of {tripping!r}": lambda median: (
            (median(name) - median(base)) / max(median(tripping) - median(base), LEAST_S)
        ),
        f"surplus over {base!r}, to {trips!r} by themselves": lambda median: (
            (median(name) - median(base)) / median(trips)
        ),
        f"all of it, to {tripping!r}": lambda median: median(name) / median(tripping),
    }
    for reading, figure in readings.items():
        yield Bar(f"{what}: {reading}", most, series.spread(figure) if name in series else None)


def _replay_to_view(series: Series) -> Bar:
    def figure(median: Lookup) -> float:
        return median(OURS_REPLAY) / (median(BARE) + median(ALONE_ONE) - median(ALONE))

    what = f"replay: all of it, to {BARE!r} and one round trip"
    return Bar(what, MOST_REPLAY, series.spread(figure) if OURS_REPLAY in series else None)
