"""Measure how late the event loop comes round."""

import asyncio
import threading
import time
from typing import Any

from .watch import counts, loop_thread

STEP = 0.002  # seconds between two looks
_late: list[float] = []
_tasks: list[asyncio.Task[None]] = []


async def _monitor() -> None:
    while True:
        due = time.perf_counter() + STEP
        await asyncio.sleep(STEP)
        _late.append(time.perf_counter() - due)


def measured() -> dict[str, Any]:
    """Return lateness in seconds, sorted, and what ran on which thread; call it on the loop."""
    if not _tasks:
        loop_thread.append(threading.get_ident())
        _tasks.append(asyncio.get_running_loop().create_task(_monitor()))
    found = {"late": sorted(_late), "counts": dict(counts)}
    _late.clear()
    counts.clear()
    return found
