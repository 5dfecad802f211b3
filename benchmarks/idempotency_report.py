"""The figures as a table, and the bars that they are held to."""

from collections.abc import Iterator, Sequence

from harness import Bar, Lookup, Series
from idempotency_volume import Purged
from subjects import Subject

FIRST, REPLAY = "first", "replay"


def series_name(name: str, kind: str) -> str:
    """Return the name of the series of one subject's first requests or replays."""
    return f"{name}: {kind}"


def table(subjects: Sequence[Subject], series: Series) -> Iterator[str]:
    """Yield a line a subject: medians in ms, and the ratio to its bare view's first request."""
    yield f"{'':40} {'first ms':>8}  {'to bare [90%]':18} {'replay ms':>9}  {'to bare [90%]':18} store"
    for subject in subjects:
        yield f"{subject.name:40} {_cell(series, subject, FIRST)} {_cell(series, subject, REPLAY, 9)} {subject.store}"


def _cell(series: Series, subject: Subject, kind: str, width: int = 8) -> str:
    name, base = series_name(subject.name, kind), series_name(subject.base, FIRST)
    if name not in series:
        return f"{'':{width}}  {'':18}"
    ratio = series.ratio(name, base) if base in series else ""
    return f"{series.median(name) * 1000:{width}.3f}  {ratio!s:18}"


def bars(subjects: Sequence[Subject], series: Series) -> list[Bar]:
    """Return the bars on the first request, the replay, the floor and the peers."""
    ours, elsewhere = "django_dist", "django_dist, ATOMIC_REQUESTS"
    found = [
        _ratio(series, "first request, our transaction outermost, to bare", 1.35, (ours, FIRST), ("bare", FIRST)),
        _ratio(
            series,
            "first request under ATOMIC_REQUESTS, to bare under ATOMIC_REQUESTS",
            1.7,
            (elsewhere, FIRST),
            ("bare, ATOMIC_REQUESTS", FIRST),
        ),
        _ratio(series, "replay, to bare", 0.8, (ours, REPLAY), ("bare", FIRST)),
        overhead(series, ours),
    ]
    for rival in (subject for subject in subjects if subject.rival):
        mine = "django_dist, DRF" if rival.base == "bare, DRF" else ours
        found += [
            _ratio(series, f"{mine} to {rival.name}, {kind}", 1.0, (mine, kind), (rival.name, kind))
            for kind in (FIRST, REPLAY)
        ]
    return found


def overhead(series: Series, name: str) -> Bar:
    """Return the bar on what ``name`` adds to the bare view, to what the floor adds."""
    mine, floor, bare = (series_name(subject, FIRST) for subject in (name, "floor", "bare"))

    def figure(median: Lookup) -> float:
        # A floor that adds nothing measurable leaves no ratio; a microsecond keeps it finite.
        return (median(mine) - median(bare)) / max(median(floor) - median(bare), 1e-6)

    known = all(part in series for part in (mine, floor, bare))
    return Bar("our overhead, to the floor's", 1.25, series.spread(figure) if known else None)


def volume_bars(series: Series | None) -> list[Bar]:
    """Return the bars on a table with a million records against one with none."""
    return [
        _ratio(
            series, f"{kind} with 1 million records, to none", 1.1, ("1 million records", kind), ("no records", kind)
        )
        for kind in (FIRST, REPLAY)
    ]


def _ratio(series: Series | None, what: str, most: float, mine: tuple[str, str], base: tuple[str, str]) -> Bar:
    names = series_name(*mine), series_name(*base)
    known = series is not None and all(name in series for name in names)
    return Bar(what, most, series.ratio(*names) if series is not None and known else None)


def purge_line(purged: Purged) -> str:
    """Return one line on a purge."""
    rate = purged.rows / purged.seconds if purged.seconds else 0.0
    return (
        f"purge: {purged.rows} expired rows in {purged.seconds:.1f} s, {rate:.0f} rows/s, {purged.transactions} "
        f"transactions, longest {purged.longest * 1000:.0f} ms, {purged.left} rows left"
    )
