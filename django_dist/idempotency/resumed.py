"""Run a kept request again: through the URL resolver and the guard, as its user, and through no other middleware."""

import io
from typing import Any, Final, NamedTuple

from django.apps import apps
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_started
from django.db import DatabaseError, connections, router
from django.db.models import Model
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.urls import clear_script_prefix, set_script_prefix

from ..exceptions import NotResumable
from .kept import Kept, meta_of
from .lease import LeaseAttempt
from .middleware import IdempotencyMiddleware
from .own import RESUMED
from .replay import discard

PORTS: Final = {"http": 80, "https": 443}


def to_request(kept: Kept) -> HttpRequest:
    """Return the request as its view saw it, as its user of now; raises NotResumable."""
    domain, port = split_domain_port(kept.host)  # both empty where a client has sent what is no host
    request = WSGIRequest(
        {
            "REQUEST_METHOD": kept.method,
            "wsgi.url_scheme": kept.scheme,
            "HTTP_HOST": kept.host,
            "SERVER_NAME": domain,
            "SERVER_PORT": port or str(PORTS.get(kept.scheme, 80)),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "SCRIPT_NAME": _wire(kept.script),
            "PATH_INFO": _wire(kept.path),
            "QUERY_STRING": kept.query,
            "REMOTE_ADDR": "",
            "CONTENT_LENGTH": str(len(kept.body)),
            "wsgi.input": io.BytesIO(kept.body),
            **{meta_of(name): value for name, value in kept.headers.items()},
        }
    )
    _sign_in(request, _user_of(kept))
    return request


def _made_again(kept: Kept) -> Any:
    """See to_request(): one request that cannot be made again must not keep the others waiting."""
    try:
        return to_request(kept)
    except (NotResumable, DatabaseError):
        raise
    except Exception as error:
        raise NotResumable(f"what was kept of it makes no request: {type(error).__name__}") from error


def _wire(path: str) -> str:
    """Return ``path`` in the form of PEP 3333."""
    return path.encode().decode("latin-1")


def _sign_in(request: Any, user: Any) -> None:
    """Let ``request`` be known to Django and to REST framework as that of ``user``, whose credentials nobody has."""
    if user is not None:
        request._force_auth_user = user  # of REST framework: its permissions are asked all the same
    elif apps.is_installed("django.contrib.auth"):
        from django.contrib.auth.models import AnonymousUser

        user = AnonymousUser()

    async def auser() -> Any:
        return user

    request.user, request.auser = user, auser
    request._dont_enforce_csrf_checks = True  # the first try has passed them, and the token is not kept


def _user_of(kept: Kept) -> Model | None:
    if kept.user is None:
        return None
    label, key = kept.user
    try:
        model = apps.get_model(label)
    except LookupError as error:
        raise NotResumable(f"its user's model {label} is gone") from error
    # From the database that is written to: a replica may not know yet that somebody is gone.
    user: Model | None = model._default_manager.using(router.db_for_write(model)).filter(pk=key).first()
    if user is None:
        raise NotResumable("its user is gone")
    if not getattr(user, "is_active", True):
        raise NotResumable("its user is not active any more")
    return user


class Ran(NamedTuple):
    """What a request came to that was run again."""

    status: int
    error: str  # class of what left the view, or ""
    reached: bool  # a guard had the claim


class Rerun(BaseHandler):
    """Django's own handler with one middleware."""

    def __init__(self) -> None:
        super().__init__()
        self._error = ""
        self.load_middleware()

    def load_middleware(self, is_async: bool = False) -> None:
        """See BaseHandler; MIDDLEWARE is not read."""
        guard = IdempotencyMiddleware(convert_exception_to_response(self._get_response))  # type: ignore[attr-defined]
        self._view_middleware = [guard.process_view]
        self._template_response_middleware: list[Any] = []
        self._exception_middleware = [self._note, guard.process_exception]
        self._middleware_chain = convert_exception_to_response(guard)

    def _note(self, request: HttpRequest, error: Exception) -> None:
        self._error = type(error).__name__

    def run(self, kept: Kept, attempt: LeaseAttempt) -> Ran:
        """Run ``kept`` under the claim of ``attempt``; raises NotResumable, and then the view was not run."""
        self._error = ""
        # Where a transaction is open this is a test, and what hears the signals would close its connection.
        in_test = any(connection.in_atomic_block for connection in connections.all(initialized_only=True))
        if not in_test:
            request_started.send(sender=type(self))
        request = _made_again(kept)
        setattr(request, RESUMED, attempt)
        set_script_prefix(kept.script or "/")
        try:
            response = self.get_response(request)
            (discard if in_test else type(response).close)(response)
            status = response.status_code
        except Exception as error:  # noqa: BLE001  (DEBUG_PROPAGATE_EXCEPTIONS, or what closes the answer)
            status, self._error = 500, type(error).__name__
        finally:
            clear_script_prefix()
        return Ran(status, self._error, request.idempotency.resumed is None)
