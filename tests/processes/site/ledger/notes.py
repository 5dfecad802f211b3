"""Notes that outlive a killed process and a rolled back transaction: lines in files."""

import os
import time
from pathlib import Path

from django.conf import settings


def note(what: str, order: str) -> None:
    """Add a line with process id and time to the notes of ``order``."""
    line = f"{os.getpid()} {time.monotonic()}\n".encode()
    handle = os.open(Path(settings.SCRATCH, f"{what}-{order}"), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        os.write(handle, line)
    finally:
        os.close(handle)


def first(what: str, order: str) -> bool:
    """Return whether nobody asked this before, in any process."""
    try:
        os.close(os.open(Path(settings.SCRATCH, f"{what}-{order}"), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True
