"""The dedupe entries of one database, as dist_purge takes them."""

from ..models import DedupeEntry, Sweep


class DedupeEntries:
    """The entries of the database ``alias``."""

    def __init__(self, alias: str) -> None:
        self.alias, self._sweep = alias, Sweep()

    def expired(self) -> int:
        """Return how many entries have expired."""
        count: int = DedupeEntry.objects.using(self.alias).expired().count()
        return count

    def purge(self, batch: int) -> int:
        """Delete up to ``batch`` expired entries, oldest first, and return how many."""
        removed: int = DedupeEntry.objects.using(self.alias).expired().delete_oldest(batch, self._sweep)
        return removed
