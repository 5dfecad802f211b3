"""The table at the end: what was done to the shop, and what it came to."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from .tally import Tally

WIDTH = 48


class Line(NamedTuple):
    """One thing that was promised and counted."""

    what: str
    promised: int
    counted: int
    money: bool = False

    @property
    def kept(self) -> bool:
        """Whether the promise holds."""
        return self.promised == self.counted


def done_to_it(tallies: Sequence[Tally]) -> str:
    """Return the table of what was sent, lost and killed, a column a server."""
    lines = [_row("WHAT WAS DONE TO IT", [tally.name for tally in tallies], "total")]
    fields = [
        ("logical requests", "answered"),
        ("requests sent", "sent"),
        ("worker processes killed (SIGKILL)", "kills"),
        ("  of these, with a card charged and not noted", "aimed"),
        ("requests cut off by a killed worker", "cut"),
        ("answers dropped on the way to the client", "dropped"),
    ]
    lines += [_counts(what, [getattr(tally, name) for tally in tallies]) for what, name in fields]
    statuses = sorted({status for tally in tallies for status in tally.statuses})
    lines += [
        _counts(f"answers {code} {MEANINGS.get(code, '')}", [t.statuses[code] for t in tallies]) for code in statuses
    ]
    lines.append(_counts("  of these, replays of the first answer", [tally.replays for tally in tallies]))
    lines.append(_counts("calls that reached the bank", [tally.bank_calls for tally in tallies]))
    lines.append(_seconds("slowest order until all its copies had answers", [t.slowest_order for t in tallies], max))
    lines.append(_seconds("slowest call of the SDK, with its own pauses", [t.slowest_sdk for t in tallies], max))
    lines.append(_seconds("duration", [tally.seconds for tally in tallies], sum))
    return "\n".join(lines)


MEANINGS = {
    200: "customer or charge made",
    201: "order placed",
    400: "key used for another charge (Stripe)",
    409: "the first try still runs, come again",
    410: "seats sold out",
    422: "key used for another order",
    500: "server error, come again",
    503: "store unavailable, come again",
}


def came_to(lines: Sequence[Line]) -> str:
    """Return the table of promises."""
    rows = [_row("WHAT IT CAME TO", ["promised"], "counted")]
    for line in lines:
        show = _cents if line.money else str
        verdict = "" if line.kept else f"   OFF BY {show(line.counted - line.promised)}"
        rows.append(_row(line.what, [show(line.promised)], show(line.counted)) + verdict)
    return "\n".join(rows)


def _counts(what: str, counts: Sequence[int]) -> str:
    return _row(what, [str(count) for count in counts], str(sum(counts)))


def _seconds(what: str, times: Sequence[float], together: Callable[[Sequence[float]], float]) -> str:
    return _row(what, [f"{seconds:.1f} s" for seconds in times], f"{together(times):.1f} s")


def _row(what: str, cells: Sequence[str], last: str) -> str:
    return f"{what:<{WIDTH}}" + "".join(f"{cell:>16}" for cell in [*cells, last])


def _cents(amount: int) -> str:
    return f"{amount / 100:,.2f}"
