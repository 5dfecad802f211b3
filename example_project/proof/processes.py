"""Which processes a server has started: from /proc where there is one, else from ps."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
#: A helper of multiprocessing that answers no request; uvicorn starts it beside its workers.
HELPER: Final = "resource_tracker"


def children(parent: int) -> list[int]:
    """Return the ids of the living worker processes whose parent is ``parent``."""
    rows = _from_proc() if (PROC / "self" / "stat").exists() else _from_ps()
    return [pid for pid, owner, state, command in rows if owner == parent and state != "Z" and HELPER not in command]


def _from_proc() -> Iterator[tuple[int, int, str, str]]:
    for folder in PROC.glob("[0-9]*"):
        try:
            state, owner = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (folder / "cmdline").read_text(errors="replace")
        except OSError:
            continue  # it ended while we looked
        yield int(folder.name), int(owner), state, command


def _from_ps() -> Iterator[tuple[int, int, str, str]]:
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,stat=,args="],
        capture_output=True,
        text=True,
        check=True,
    )
    for line in listed.stdout.splitlines():
        pid, owner, state, *command = line.split(None, 3)
        yield int(pid), int(owner), state[0], "".join(command)
