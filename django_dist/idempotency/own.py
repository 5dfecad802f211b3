"""What a request carries of its own idempotency: a face for the view, and what guards it."""

from functools import cached_property
from typing import TYPE_CHECKING
from uuid import UUID, uuid4, uuid5

from .base import Attempt
from .policy import PolicySource

if TYPE_CHECKING:
    from .guard import Guard


class Idempotency:
    """What a view sees as ``request.idempotency``.

    ``key`` is the key's identity and ``digest`` names the record; both are None without a key. The
    other attributes belong to the middleware and the decorators.
    """

    def __init__(self) -> None:
        self.key: str | None = None
        self.digest: UUID | None = None
        self.carries_key = self.failed = False
        self.guard: Guard | None = None
        self.pending: PolicySource | None = None  # guards a handler further in
        self.enclosed: dict[str, Attempt] = {}  # opened before Django's own transaction, by store alias

    def derive(self, name: str) -> UUID:
        """Return the key for a call that the view makes, such as ``derive("charge")``.

        It is the same for every try of this request and another for every other request; without
        a key, for this one request alone. Source: RFC 9562, section 5.5 (UUID version 5).
        """
        return uuid5(self.digest or self._seed, name)

    @cached_property
    def _seed(self) -> UUID:
        return uuid4()
