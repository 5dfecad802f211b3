"""Faults in keeping an answer and in giving it again."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from django_dist.idempotency import (
    guard,
    middleware,
    problems,
    replay,
)
from mutants import mutant


@mutant
def cookies_and_cors_are_replayed():
    return patch.multiple(replay, _kept=lambda name, policy: True)


@mutant
def replay_is_not_marked():
    return patch.object(replay, "REPLAYED", "X-Replayed")


def changed_replay(change: Callable[[Any], Any]) -> AbstractContextManager[Any]:
    """Let ``change`` spoil every answer from the record."""
    make = replay.to_response

    def spoiled(answer):
        response = make(answer)
        change(response)
        return response

    return patch.object(guard, "to_response", spoiled)


@mutant
def replay_has_djangos_content_type():
    return changed_replay(lambda response: response.headers.setdefault("Content-Type", "text/html"))


@mutant
def replay_is_always_200():
    return changed_replay(lambda response: setattr(response, "status_code", 200))


@mutant
def replay_has_no_reason():
    return changed_replay(lambda response: setattr(response, "reason_phrase", "OK"))


@mutant
def replay_has_no_body():
    return changed_replay(lambda response: setattr(response, "content", b""))


@mutant
def replay_keeps_the_first_length():
    return changed_replay(lambda response: response.headers.update({"Content-Length": "1"}))


@mutant
def streams_are_not_read_before_the_commit():
    return patch.object(replay, "_left_alone", lambda response, limit: True)


@mutant
def streams_are_read_and_not_handed_back():
    return patch.object(replay, "_handed_back", lambda response, spool, limit: b"")


@mutant
def events_are_buffered():
    return patch.object(replay, "_left_alone", lambda response, limit: False)


@mutant
def tombstone_is_an_empty_answer():
    make = replay.to_answer
    return patch.object(guard, "to_answer", lambda response, body, policy: make(response, body or b"", policy))


@mutant
def long_answer_is_cut():
    read = replay.body_of

    def cut(response, limit):
        found = read(response, limit)
        return found if found is not None or response.streaming else response.content[:limit]

    return patch.object(guard, "body_of", cut)


@mutant
def refusal_is_plain_text():
    return patch.object(problems, "problem", lambda error: problems.HttpResponse(error.detail, status=error.status))


@mutant
def refusal_says_not_when_to_repeat():
    def silent(request, error, policy):
        return policy.problem(request, error) if policy.problem else problems.problem(error)

    return patch.object(guard, "refusal", silent)


@mutant
def templates_are_rendered_after_the_commit():
    from django.template.response import SimpleTemplateResponse

    leave = guard.Guard.leave

    def early(self, response):
        return leave(self, response)

    return patch.object(SimpleTemplateResponse, "render", lambda self: self), patch.object(guard.Guard, "leave", early)


@mutant
def async_streams_are_lost():
    async def nothing(response, limit):
        return b""

    return patch.object(middleware, "abody_of", nothing)


@mutant
def broken_async_streams_are_not_closed():
    return patch.object(middleware, "discard", lambda response: None)
