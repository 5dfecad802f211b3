"""Who is measured with Redis: the raw round trips, the unguarded view, Django's handler alone, ours and the peers."""

import json
import time
import uuid
from collections.abc import Callable
from hashlib import sha1, sha256
from typing import Any

from django.http import HttpRequest, HttpResponse
from django_redis import get_redis_connection
from redis.exceptions import NoScriptError

from idempotency_redis_report import ALONE, ALONE_ONE, BARE_TWO, ONE, TWO
from idempotency_redis_settings import ALIAS, PREFIX
from idempotency_report import FIRST, REPLAY, series_name
from idempotency_setup import OURS
from idempotency_subjects import MIDDLEWARE
from idempotency_views import unguarded
from subjects import Subject, served

Timed = Callable[[], float]
ANSWER = b'{"id": 1, "amount": 1999, "state": "placed"}'
CLAIM = """
local had = redis.call('HMGET', KEYS[1], 'fingerprint', 'status', 'headers', 'body')
if had[1] == ARGV[1] and had[2] then
  return {had[2], had[3], had[4]}
end
redis.call('HSET', KEYS[1], 'fingerprint', ARGV[1])
redis.call('PEXPIRE', KEYS[1], 30000)
return 1"""
FINISH = """
redis.call('HSET', KEYS[1], 'status', ARGV[1], 'headers', ARGV[2], 'body', ARGV[3])
redis.call('PEXPIRE', KEYS[1], 86400000)
return 1"""
NOTHING = "return 1"
DIGESTS = {text: sha1(text.encode()).hexdigest() for text in (CLAIM, FINISH, NOTHING)}


def run(client: Any, script: str, key: str, *values: Any) -> Any:
    """Run a script in one round trip, by its digest, as ours are."""
    try:
        return client.execute_command("EVALSHA", DIGESTS[script], 1, key, *values)
    except NoScriptError:  # somebody has flushed them
        return client.execute_command("EVAL", script, 1, key, *values)


def handler_alone(request: HttpRequest) -> HttpResponse:
    """Answer with the bytes that the view answers with, which are at hand."""
    return HttpResponse(ANSWER, status=201, headers={"Content-Type": "application/json", "Location": "/orders/1"})


def _with_trips(view: Callable[..., HttpResponse], before: int, after: int) -> Callable[..., HttpResponse]:
    """Return ``view`` with raw round trips before and after it: what a guard in no Python at all would cost."""
    client, key = get_redis_connection(ALIAS), f"{PREFIX}raw:{uuid.uuid4()}"

    def tripping(request: HttpRequest) -> HttpResponse:
        for _ in range(before):
            run(client, NOTHING, key)
        response = view(request)
        for _ in range(after):
            run(client, NOTHING, key)
        return response

    return tripping


def by_hand(request: HttpRequest) -> HttpResponse:
    """Guard the order by hand, with no policy, no lease that is renewed and no errors: as little Python as will do."""
    client = get_redis_connection(ALIAS)
    asked = b"\n".join((str(request.method).encode(), request.get_full_path().encode(), request.body))
    key = f"{PREFIX}floor:{uuid.UUID(request.headers['Idempotency-Key']).hex}"
    found = run(client, CLAIM, key, sha256(asked).hexdigest())
    if found != 1:
        status, headers, body = found
        return HttpResponse(body, status=int(status), headers=json.loads(headers))
    response = unguarded(request)
    headers = json.dumps(dict(response.headers))
    run(client, FINISH, key, response.status_code, headers, response.content)
    return response


def _ours(name: str) -> Subject:
    from django_dist.idempotency import idempotent

    return served(name, idempotent(unguarded), [MIDDLEWARE], store="Redis")


def _idemkit(name: str, url: str) -> Subject:
    from idemkit import HttpConfig, WSGIIdempotencyMiddleware
    from idemkit.backends.redis import RedisBackend

    subject = served(name, unguarded, store="Redis (redis.asyncio)", rival=True)
    backend: Any = RedisBackend.from_url(url, namespace=f"{PREFIX}idemkit")
    config = HttpConfig(scope_mode="single_tenant")
    subject.application = WSGIIdempotencyMiddleware(subject.application, backend=backend, config=config)
    return subject


def _drf_idempotency(name: str) -> Subject:
    return served(name, unguarded, ["drf_idempotency.middleware.IdempotencyMiddleware"], store="Redis", rival=True)


def verified(left_out: dict[str, str], url: str) -> list[Subject]:
    """Return the subjects that do what they promise; note in ``left_out`` why another is not measured."""
    builders: dict[str, Callable[[str], Subject]] = {
        "bare": lambda name: served(name, unguarded, guarded=False),
        "by hand": lambda name: served(name, by_hand, store="Redis"),
        OURS: _ours,
        "idemkit": lambda name: _idemkit(name, url),
        "drf-idempotency": _drf_idempotency,
    }
    found = []
    for name, build in builders.items():
        if name in left_out:
            continue
        try:
            subject = build(name)
            subject.verify()
        except Exception as error:  # noqa: BLE001  (whatever it is, it is the finding about this subject)
            left_out[name] = f"{type(error).__name__}: {error}"
        else:
            found.append(subject)
    return found


def calls(subjects: list[Subject]) -> dict[str, Timed]:
    """Return what is timed, by the name of its series."""
    found = _raw()
    for name, view in (
        (ALONE, handler_alone),
        (ALONE_ONE, _with_trips(handler_alone, 1, 0)),
        (BARE_TWO, _with_trips(unguarded, 1, 1)),
    ):
        found[name] = served(name, view, guarded=False).first
    for subject in subjects:
        found[series_name(subject.name, FIRST)] = subject.first
        if subject.guarded:
            found[series_name(subject.name, REPLAY)] = subject.replays()
    return found


def _raw() -> dict[str, Timed]:
    """Return one and two round trips by themselves, one right after the other."""
    client, key = get_redis_connection(ALIAS), f"{PREFIX}raw:{uuid.uuid4()}"

    def trips(number: int) -> float:
        began = time.perf_counter()
        for _ in range(number):
            run(client, NOTHING, key)
        return time.perf_counter() - began

    return {ONE: lambda: trips(1), TWO: lambda: trips(2)}
