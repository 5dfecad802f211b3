"""This machine's clock that never goes back, for leases: it is never compared with a store's."""

import time
from typing import Final

# On Linux the clock that goes on while the machine is suspended: a lease runs out meanwhile.
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", None)
#: Of a lease's seconds, how many are counted on: clocks that NTP sets right may differ by a thousandth in speed.
SURE: Final = 0.999


def moment() -> float:
    """Return seconds since some point in the past."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)
