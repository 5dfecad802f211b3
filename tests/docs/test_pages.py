"""Every Python block of README and docs runs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from docs.reading import TUTORIALS, blocks, name_of, pages

HERE = Path(__file__).parent


@pytest.mark.parametrize("page", [p for p in pages() if blocks(p, "python") and p not in TUTORIALS], ids=name_of)
def test_python_blocks_run_in_order(page: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, str(HERE / "run_page.py"), str(page), str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode:
        pytest.fail(done.stderr[-4000:], pytrace=False)
    if left_out := [line for line in done.stdout.splitlines() if line.startswith("not run")]:
        pytest.skip("; ".join([*left_out, "all else of the page ran"]))
