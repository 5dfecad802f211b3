"""Time subjects in turn, one call of each a round, and tell ratios with their spread. Nothing here asserts a time."""

import gc
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

RESAMPLES = 300  # bootstrap samples a figure
Lookup = Callable[[str], float]  # name of a series -> its median in seconds
Figure = Callable[[Lookup], float]


@dataclass(frozen=True)
class Spread:
    """A figure and the middle 90% of its bootstrap samples."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f}x [{self.low:.2f}-{self.high:.2f}]"


@dataclass(frozen=True)
class Bar:
    """A bound on a ratio; ``spread`` None means that it could not be measured."""

    what: str
    most: float
    spread: Spread | None

    @property
    def verdict(self) -> str:
        """Return PASS, FAIL or NOT RUN, by the figure itself and not by its spread."""
        if self.spread is None:
            return "NOT RUN"
        return "PASS" if self.spread.value <= self.most else "FAIL"

    def __str__(self) -> str:
        return f"{self.verdict:8} {self.what}: {self.spread or '-'}, at most {self.most:.2f}x"


@dataclass
class Series:
    """Seconds per call by name of the series; the calls at one index were made in one round."""

    seconds: dict[str, list[float]] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return bool(self.seconds.get(name))

    def median(self, name: str) -> float:
        """Return the median seconds of a call."""
        return statistics.median(self.seconds[name])

    def spread(self, figure: Figure) -> Spread:
        """Return ``figure`` over the medians; whole rounds are resampled, as what was noisy was so for all."""
        rounds = min(len(values) for values in self.seconds.values() if values)
        source = random.Random(rounds)
        found = sorted(figure(self._resampled(source.choices(range(rounds), k=rounds))) for _ in range(RESAMPLES))
        return Spread(figure(self.median), found[RESAMPLES // 20], found[-RESAMPLES // 20])

    def ratio(self, name: str, base: str) -> Spread:
        """Return the ratio of two medians."""
        return self.spread(lambda median: median(name) / median(base))

    def _resampled(self, indices: Sequence[int]) -> Lookup:
        def median(name: str) -> float:
            values = self.seconds[name]
            return statistics.median([values[index] for index in indices])

        return median


def rounds(calls: dict[str, Callable[[], float]], samples: int, title: str) -> Series:
    """Call each of ``calls`` once a round in a new random order, ``samples`` rounds; each returns its seconds.

    The garbage collector runs between rounds, never in a call.
    """
    series = Series({name: [] for name in calls})
    order, source = list(calls), random.Random(samples)
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        for index in progress(samples, title):
            source.shuffle(order)
            for name in order:
                series.seconds[name].append(calls[name]())
            if index % 10 == 9:
                gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()
    return series


def progress(total: int, title: str) -> Iterator[int]:
    """Yield 0 to ``total`` - 1 and tell stderr every two seconds how far it is."""
    started = told = time.monotonic()
    for index in range(total):
        yield index
        if time.monotonic() - told >= 2:
            told = time.monotonic()
            left = (told - started) * (total - index - 1) / (index + 1)
            tell(f"{title}: {index + 1}/{total} rounds, about {left:.0f} s left")


def tell(message: str) -> None:
    """Write a line of progress to stderr."""
    print(message, file=sys.stderr, flush=True)
