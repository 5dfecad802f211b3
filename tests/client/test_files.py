"""A body that is an open file is sent again from where it stood, not from where the first try has left it."""

from pathlib import Path
from typing import Any

import pytest

from client.callers import by_httpx, by_requests
from client.scripted import CUT, TORN, scripted
from django_dist.client import Retries

QUICK = Retries(pause=0.001, elapsed=20.0)
CONTENT = b"0123456789" * 20_000  # longer than what is read of a file at once


@pytest.mark.parametrize("fault", [CUT, TORN, (503, {})], ids=str)
@pytest.mark.parametrize("call", [by_requests, by_httpx], ids=lambda call: call.__name__)
def test_file_is_sent_again_whole(call: Any, fault: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    with path.open("rb") as file, scripted(fault, fault) as server:
        assert call(QUICK, "POST", server.url, body=file).status == 200
    assert server.bodies == [CONTENT] * 3
    assert len(set(server.keys)) == 1


def test_requests_sends_a_file_again_from_where_it_stood(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    with path.open("rb") as file, scripted((503, {}), CUT, (307, {"Location": "/there"})) as server:
        file.seek(7)
        assert by_requests(QUICK, "POST", server.url, body=file).status == 200
    assert server.bodies == [CONTENT[7:]] * 4
