"""What the suite of the dedupe table stands on: a table of effects, claims in a transaction, threads of their own."""

from typing import Any, ClassVar

from django.db import transaction

from ..clock import StoreTime
from ..dedupe import claim, claim_many
from ..dedupe.claims import digest_for
from ..models import DedupeEntry
from .case import DatabaseCase
from .stage import Effect

PATIENCE_S = 20  # after which a thread that should have come is given up


class DedupeHarness(DatabaseCase):
    """Mixed into TransactionTestCase: ``database`` is the alias of claims and effects."""

    tables = (Effect,)
    asynchronous: ClassVar[bool] = False

    def empty(self) -> None:
        """See DatabaseCase.empty(); what is claimed goes, too."""
        super().empty()
        self.entries().delete()

    def entries(self) -> Any:
        """Return the entries there are."""
        return DedupeEntry.objects.using(self.database)

    def effect(self, what: str = "paid") -> int:
        """Leave one effect."""
        return int(Effect.objects.using(self.database).create(what=what).pk)

    def effects(self) -> list[str]:
        """Return the effects that have lasted."""
        return list(Effect.objects.using(self.database).order_by("what").values_list("what", flat=True))

    def atomic(self) -> Any:
        """Return a transaction of the caller's."""
        return transaction.atomic(using=self.database)

    def claimed(self, key: Any = "a", *, scope: str = "pay", ttl: float | None = None) -> bool:
        """Claim in a transaction that commits."""
        with self.atomic():
            return claim(scope, key, ttl=ttl, using=self.database)

    def claimed_many(self, keys: Any, *, scope: str = "pay", ttl: float | None = None) -> set[Any]:
        """Claim several in a transaction that commits."""
        with self.atomic():
            return claim_many(scope, keys, ttl=ttl, using=self.database)

    def expire(self, *keys: Any, scope: str = "pay") -> None:
        """Let entries have expired a second ago, by the database's clock."""
        digests = [digest_for(scope, key) for key in keys]
        self.assertEqual(self.entries().filter(pk__in=digests).update(expires_at=StoreTime(-1)), len(keys))
