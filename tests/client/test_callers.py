"""httpx, sync and async, and requests against a real server: one key, and tries where they are safe."""

import io
import subprocess
import sys
import uuid
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import pytest

from client.callers import CALLERS, LOST
from client.scripted import CUT, MUTE, TORN, scripted
from django_dist.client import Retries, RetryBudget, is_replay

pytestmark = pytest.mark.parametrize("call", CALLERS, ids=lambda call: call.__name__)
FAST = {"pause": 0.001, "elapsed": 20.0}


def quick(**more: Any) -> Retries:
    return Retries(**{**FAST, **more})


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_request_that_may_take_effect_has_a_key_of_its_own(call: Any, method: str) -> None:
    with scripted() as server:
        for _ in range(2):
            call(quick(), method, server.url)
    first, second = (uuid.UUID(key) for key in server.keys)
    assert first.version == second.version == 4
    assert first != second


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_safe_request_has_no_key(call: Any, method: str) -> None:
    with scripted() as server:
        call(quick(), method, server.url)
    assert server.keys == [None]


def test_key_of_the_caller_is_kept_over_retries(call: Any) -> None:
    with scripted((503, {}), CUT) as server:
        assert call(quick(), "POST", server.url, headers={"Idempotency-Key": "mine"}).status == 200
    assert server.keys == ["mine"] * 3


PASSING = [
    CUT,
    TORN,
    MUTE,
    *((status, {}) for status in (408, 425, 429, 500, 502, 503, 504)),
    (409, {"Retry-After": "0"}),
]


@pytest.mark.parametrize("answer", PASSING, ids=str)
def test_what_passes_is_tried_again_with_the_same_key_and_body(call: Any, answer: Any) -> None:
    with scripted(answer, answer) as server:
        got = call(quick(), "POST", server.url, body=b"two pieces", timeout=0.2)
    assert (got.status, got.body) == (200, b"ok")
    assert len(server.keys) == 3
    assert len(set(server.keys)) == 1
    assert server.bodies == [b"two pieces"] * 3


LASTING = [(status, {}) for status in (400, 401, 403, 404, 409, 410, 422, 423, 501, 505)]
LASTING += [(status, {"Idempotent-Replayed": "true", "Retry-After": "0"}) for status in (409, 500, 503)]


@pytest.mark.parametrize("answer", LASTING, ids=str)
def test_what_lasts_is_returned_at_once(call: Any, answer: Any) -> None:
    with scripted(answer) as server:
        assert call(quick(), "POST", server.url).status == answer[0]
    assert len(server.seen) == 1


def test_last_answer_is_returned_and_last_error_raised_when_the_tries_are_used_up(call: Any) -> None:
    with scripted(*[(503, {})] * 9) as server:
        assert call(quick(tries=3), "POST", server.url).status == 503
    assert len(server.seen) == 3
    with scripted(*[CUT] * 9) as server, pytest.raises(LOST):
        call(quick(tries=3), "POST", server.url)
    assert len(server.seen) == 3


def test_temporary_redirect_keeps_key_and_body(call: Any) -> None:
    with scripted((503, {}), (307, {"Location": "/there"}), (503, {})) as server:
        assert call(quick(), "POST", server.url + "/here", body=b"one").status == 200
    assert [path for _, path, _, _ in server.seen] == ["/here", "/here", "/there", "/there"]
    assert len(set(server.keys)) == 1
    assert server.bodies == [b"one"] * 4


def test_redirect_to_a_get_takes_the_key_off(call: Any) -> None:
    with scripted((303, {"Location": "/there"})) as server:
        assert call(quick(), "POST", server.url).status == 200
    assert [(method, key is None) for method, _, key, _ in server.seen] == [("POST", False), ("GET", True)]


@pytest.mark.parametrize("fault", [CUT, (503, {})], ids=str)
def test_body_that_is_a_stream_is_sent_once(call: Any, fault: Any, caplog: pytest.LogCaptureFixture) -> None:
    def body() -> Iterator[bytes]:
        yield b"once"

    with scripted(fault) as server:
        if fault == CUT:
            with pytest.raises(LOST):
                call(quick(), "POST", server.url, body=body())
        else:
            assert call(quick(), "POST", server.url, body=body()).status == 503
    assert server.bodies == [b"once"]
    assert "its body is a stream" in caplog.text


def test_uploaded_file_is_sent_again_whole(call: Any) -> None:
    with scripted((503, {}), CUT) as server:
        call(quick(), "POST", server.url, files={"file": ("name", io.BytesIO(b"file" * 1000))})
    assert len(server.bodies) == 3
    assert len(set(server.bodies)) == 1
    assert b"file" * 1000 in server.bodies[0]


def test_retry_after_that_is_too_long_is_not_waited_for(call: Any) -> None:
    for later in ("3600", formatdate(4e9, usegmt=True)):
        with scripted((503, {"Retry-After": later})) as server:
            assert call(quick(), "POST", server.url).status == 503
        assert len(server.seen) == 1


def test_clients_that_share_a_budget_stop_when_it_is_spent(call: Any) -> None:
    retries = quick(tries=4, budget=RetryBudget(ratio=0, reserve=5))
    with scripted(*[(503, {})] * 99) as server:
        for _ in range(4):
            call(retries, "POST", server.url)
    assert len(server.seen) == 4 + 5


def test_replay_is_shown(call: Any) -> None:
    with scripted((200, {"Idempotent-Replayed": "true"})) as server:
        assert is_replay(call(quick(), "POST", server.url).response)
        assert not is_replay(call(quick(), "POST", server.url).response)


def test_header_may_have_another_name(call: Any) -> None:
    with scripted((503, {})) as server:
        got = call(quick(header="X-Request-Id"), "POST", server.url)
    assert server.keys == [None, None]
    assert uuid.UUID(got.response.request.headers["X-Request-Id"]).version == 4


def test_module_needs_no_settings_and_names_the_extra_that_is_missing(call: Any) -> None:
    name = "requests" if call.__name__ == "by_requests" else "httpx"
    code = f"import django_dist.client.{name}, sys; assert 'django.conf' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env={})
    code = f"import sys; sys.modules[{name!r}] = None; import django_dist.client.{name}"
    done = subprocess.run([sys.executable, "-c", code], env={}, capture_output=True, text=True, check=False)
    assert f"pip install 'django-dist[{name}]'" in done.stderr
