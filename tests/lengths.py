"""Two lengths of every storm: short in ``make test``, full in ``make storm``."""

import os

import pytest


def rounds(short: int, full: int) -> int:
    """Return how many rounds to run."""
    return full if os.environ.get("DIST_STORM") == "1" else short


#: What is the same code over one store more, and has its turn in storms.
in_storms = pytest.mark.skipif(not rounds(0, 1), reason="in storms: DIST_STORM=1")
