"""Kills worker processes of a server with SIGKILL: at random points of the work, and at the worst one."""

import asyncio
import os
import signal
from random import Random

from .servers import Server
from .tally import Tally


async def kill_workers(server: Server, tally: Tally, kills: int, aimed: int, rng: Random) -> None:
    """Kill ``kills`` workers blindly, and ``aimed`` ones that have charged a card and not yet noted it.

    Each falls when a random share of the logical requests has been answered. The share, not the
    clock, decides: a slow machine sees as many kills as a fast one, with requests in flight.
    """
    plan = [(rng.uniform(0.03, 0.9), False) for _ in range(kills)] + [
        (rng.uniform(0.03, 0.6), True) for _ in range(aimed)
    ]
    for share, aim in sorted(plan):
        while tally.answered < share * tally.planned:  # noqa: ASYNC110  (a poll is the plainest)
            await asyncio.sleep(0.005)
        victim = await (_caller_of_the_bank(server, tally) if aim else _anybody(server, rng))
        if victim is None:
            continue
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            continue
        tally.kills += 1
        tally.aimed += aim


async def _anybody(server: Server, rng: Random) -> int | None:
    await asyncio.sleep(rng.uniform(0, 0.03))
    while not (workers := server.workers()):  # noqa: ASYNC110  (another process starts them)
        await asyncio.sleep(0.01)
    return rng.choice(workers)


async def _caller_of_the_bank(server: Server, tally: Tally) -> int | None:
    """Return the worker that calls the bank next, while it waits for the answer; None when all is done."""
    from store.bank import last_call  # after django.setup()

    seen, _ = last_call()
    while tally.answered < tally.planned:
        number, caller = last_call()
        if number > seen and caller in server.workers():
            return caller
        seen = number
        await asyncio.sleep(0.002)
    return None
