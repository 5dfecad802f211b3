"""Two lengths of every storm: short in ``make test``, full in ``make storm``."""

import os


def rounds(short: int, full: int) -> int:
    """Return how many rounds to run."""
    return full if os.environ.get("DIST_STORM") == "1" else short
