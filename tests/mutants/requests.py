"""Faults in reading a request: its key, its owner, its body; and in telling of it."""

import io
import uuid
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from django_dist import exceptions, models
from django_dist.idempotency import (
    body,
    calls,
    claims,
    fingerprint,
    guard,
    keys,
    middleware,
    scope,
)
from mutants import MUTANTS, mutant


@mutant
def opaque_keys_fold_their_case():
    old, form = keys.FORMATS["opaque"]
    return patch.dict(keys.FORMATS, {"opaque": (lambda value: (old(value) or "").lower() or None, form)})


@mutant
def uuid_keeps_its_spelling():
    return patch.dict(keys.FORMATS, {"uuid": (lambda v: v if keys._uuid(v) else None, "a UUID")})


@mutant
def quotes_belong_to_the_key():
    return patch.dict(keys.FORMATS, {"opaque": (lambda v: v, "anything")}), patch.object(keys, "_unquoted", str)


@mutant
def first_of_two_keys_counts():
    split = keys._items
    return patch.object(keys, "_items", lambda raw: split(raw)[:1])


@mutant
def all_keys_are_one():
    return patch.object(claims, "parse_key", lambda *a: "0" * 32)


@mutant
def malformed_key_is_no_key():
    def parse(name, raw, key_format):
        try:
            return keys.parse_key(name, raw, key_format)
        except exceptions.KeyMalformed:
            return raw

    return patch.object(claims, "parse_key", parse)


def fingerprint_without(part: int) -> AbstractContextManager[Any]:
    """Leave one of method, host, path, query and body out."""
    digest = fingerprint.digest_of

    def short(parts):
        parts = list(parts)
        return digest(parts[:part] + parts[part + 1 :] if part < 4 else parts[:4])

    return patch.object(fingerprint, "digest_of", short)


for number, what in enumerate(("method", "host", "path", "query", "body")):
    MUTANTS[f"fingerprint_without_{what}"] = lambda number=number: fingerprint_without(number)


@mutant
def form_is_hashed_as_it_was_sent():
    return patch.object(fingerprint, "_multipart_parts", side_effect=fingerprint.MultiPartParserError)


@mutant
def files_are_not_hashed():
    return patch.object(fingerprint._FileDigests, "receive_data_chunk", lambda *a: None)


@mutant
def body_is_not_handed_back():
    def whole(request):
        stream, _ = body.whole_body(request)
        end = stream.seek(0, 2)
        stream.seek(0)
        return stream, end

    return patch.object(fingerprint, "whole_body", whole)


@mutant
def body_is_read_into_memory():
    def whole(request):
        return io.BytesIO(request.body), 0

    return patch.object(fingerprint, "whole_body", whole)


@mutant
def secret_key_has_no_fallbacks():
    return patch.object(claims, "is_bound", lambda *a: False)


@mutant
def binding_is_not_compared():
    return patch.object(claims, "is_bound", lambda *a: True)


@mutant
def binding_is_the_cookie():
    return patch.object(scope, "credentials", lambda request, names: [request.META.get("HTTP_COOKIE", "")])


@mutant
def label_and_space_are_told_apart_by_nothing():
    whose = scope.scope_of

    def plain(request, user, policy):
        label, space = whose(request, user, policy)
        return label.removeprefix("custom:"), space.removeprefix("custom:")

    return patch.object(claims, "scope_of", plain)


@mutant
def store_is_asked_before_the_key_is_read():
    read = claims.claim_of

    def asking(request, own, user, policy, view):
        models.RequestRecord.objects.using(guard.requests[policy.using].database).count()
        return read(request, own, user, policy, view)

    return patch.object(guard, "claim_of", asking)


@mutant
def every_request_asks_the_store():
    process = middleware.IdempotencyMiddleware.__call__

    def asking(self, request):
        models.RequestRecord.objects.using(guard.requests["default"].database).count()
        return process(self, request)

    return patch.object(middleware.IdempotencyMiddleware, "__call__", asking)


@mutant
def derived_keys_are_random():
    return patch.object(calls.Idempotency, "derive", lambda self, name: uuid.uuid4())


@mutant
def signals_carry_the_key():
    tell = guard.Guard._tell
    return patch.object(guard.Guard, "_tell", lambda self, signal, **f: tell(self, signal, key=self.own.key, **f))


@mutant
def signals_may_raise():
    def tell(self, signal, **facts):
        signal.send(sender=type(self), request=self.request, digest=self.own.digest, view=self.view, **facts)

    return patch.object(guard.Guard, "_tell", tell)


@mutant
def log_carries_the_key():
    return patch.object(guard.Guard, "_facts", lambda self: {"digest": str(self.own.digest), "idem": self.own.key})


@mutant
def view_sees_no_key():
    return patch.object(calls.Idempotency, "key", property(lambda self: None, lambda self, value: None), create=True)


@mutant
def steps_are_called_in_atomic_mode():
    return patch.object(calls.Idempotency, "_leased", lambda self, what: None)


@mutant
def all_views_is_ignored():
    return patch.object(middleware, "all_views", lambda: False)


@mutant
def exempt_views_are_guarded():
    return patch.object(middleware, "EXEMPT", "no_such_mark")


@mutant
def all_views_guards_twice():
    return patch.object(middleware, "GUARDED", "no_such_mark"), patch.object(middleware, "open_guard", unasked)


def unasked(request, source, name):
    """Open a guard though there will be another further in, which then finds nothing to do."""
    opened = calls.open_guard(request, source, name)
    request.idempotency.guard = None
    return opened
