"""The tutorial is followed to the letter, in a fresh project: what it says is printed is printed."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

from docs.reading import TUTORIALS, blocks, name_of

#: Done by the test: a directory of its own, and an environment that has all this.
SKIPPED = re.compile(r"(mkdir|python3 -m venv|pip install) ")
NEEDED = ("bash", "curl", "pkill")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Path]:
    """An empty directory; what was started there is stopped."""
    yield tmp_path
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int((tmp_path / "gunicorn.pid").read_text()), signal.SIGTERM)


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def typed_and_told(text: str) -> list[tuple[str, str]]:
    """Return each command of a console block, with what is printed below it."""
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], ""))
        else:
            found[-1] = (found[-1][0], f"{found[-1][1]}{line}\n")
    return found


def write(project: Path, text: str) -> None:
    """Do what the first line of a Python block says: make the file that it names, or add to it."""
    name = re.match(r"# (at the end of )?(\S+\.py)\n", text)
    assert name is not None, text
    with (project / name[2]).open("a" if name[1] else "w") as file:
        file.write(text)


@pytest.mark.parametrize("page", TUTORIALS, ids=name_of)
def test_tutorial_prints_what_it_says(page: Path, project: Path) -> None:
    for tool in NEEDED:
        if which(tool) is None:
            pytest.skip(f"the tutorial types {tool}, which is not installed here")
    port = str(free_port())
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    until_served = "until curl -s -o served http://127.0.0.1:8000/orders/count; do sleep 0.1; done"
    script: list[tuple[str, str]] = []

    def play() -> None:
        """Type what has come together, and compare what is printed; one shell, so that its variables stay."""
        lines = [
            f"{command.replace('sleep 2', until_served).replace('8000', port)}\necho '---'" for command, _ in script
        ]
        done = subprocess.run(
            ["bash", "-c", "\n".join(lines)], cwd=project, env=environment, capture_output=True, text=True, timeout=60
        )
        told = done.stdout.split("---\n")
        for (command, expected), printed in zip(script, told, strict=False):
            if expected:
                printed = re.sub(r"^\s*\n|\r", "", printed)
                assert printed == expected, f"{command}\n{done.stderr}"
        assert len(told) == len(script) + 1, done.stderr
        script.clear()

    for block in blocks(page, "python", "console"):
        if block.language == "python":
            play()
            write(project, block.text)
        else:
            script += [pair for pair in typed_and_told(block.text) if not SKIPPED.match(pair[0])]
    play()
