"""An adapter for requests: a key for each request, kept over retries and redirects."""

import time
from typing import Any, Final

try:
    import requests
    from requests.adapters import HTTPAdapter
    from requests.utils import rewind_body
except ImportError as error:
    raise ImportError("django_dist.client.requests needs requests: pip install 'django-dist[requests]'") from error

from .retries import NO_ANSWER, Outcome, Retries

#: The connection broke or nothing came; other errors of requests come again.
LOST: Final = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class IdempotentAdapter(HTTPAdapter):
    """Adds the key and tries again: ``session.mount("https://", IdempotentAdapter())``.

    An answer is read before it is returned, unless ``stream=True``, so one that breaks off is tried
    again, too. A body that is an iterator is sent once; a file is sent again from where it stood. When
    the tries are used up, the last answer is returned or the last error raised. Keywords are those
    of HTTPAdapter. requests waits for ever unless it is given ``timeout``.
    """

    def __init__(self, retries: Retries | None = None, **kwargs: Any) -> None:
        self.retries = retries or Retries()
        super().__init__(**kwargs)

    def send(self, request: requests.PreparedRequest, stream: bool = False, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        """Send ``request`` until its outcome is final."""
        method = request.method or "GET"
        self.retries.add_key(method, request.headers)
        turns = self.retries.turns(method, request.headers, _rewindable(request))
        next(turns)
        while True:
            try:
                response = super().send(request, stream=stream, **kwargs)
                if not stream:
                    response.content  # noqa: B018  (reads it)
            except LOST:
                if (pause := turns.send(NO_ANSWER)) is None:
                    raise
            else:
                if (pause := turns.send(Outcome(response.status_code, response.headers))) is None:
                    return response
                response.close()
            time.sleep(pause)
            _rewind(request)


def _held(request: requests.PreparedRequest) -> bool:
    return request.body is None or isinstance(request.body, bytes | str)


def _rewindable(request: requests.PreparedRequest) -> bool:
    return _held(request) or isinstance(getattr(request, "_body_position", None), int)


def _rewind(request: requests.PreparedRequest) -> None:
    if not _held(request):
        rewind_body(request)
