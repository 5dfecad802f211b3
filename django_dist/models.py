"""The tables of django_dist."""

from datetime import datetime
from typing import Any, ClassVar

from django.db import OperationalError, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import RawSQL

from .clock import StoreNow

PURGE_TRIES = 20  # of a batch that others keep from its rows; they get on with each


class DigestField(models.UUIDField):  # type: ignore[type-arg]
    """A 128-bit digest in the form of a UUID (RFC 9562, version 8): 16 bytes where the store has the type."""


class Sweep:
    """How far a purge has come: an index keeps what was deleted for a while, and each batch would walk over it."""

    end: datetime | None = None  # what expired before was deleted, or was skipped


class ExpiringQuerySet(models.QuerySet[Any]):
    """Rows with an ``expires_at``, and what is over among them."""

    def expired(self) -> "ExpiringQuerySet":
        """Return the rows whose time is over by the store's clock."""
        return self.filter(expires_at__lte=StoreNow())

    def delete_oldest(self, batch: int, sweep: "Sweep | None" = None) -> int:
        """Delete up to ``batch`` of these rows that are expired, oldest first; return how many.

        Rows that another purge holds are skipped where the store can, so two at once do no harm. ``sweep`` remembers
        from batch to batch how far they have come; after one that is not full, the next begins at the oldest again.
        """
        sweep = sweep or Sweep()
        removed = self._delete(batch, sweep)
        if removed < batch:
            sweep.end = None
        return removed

    def _delete(self, batch: int, sweep: "Sweep") -> int:
        """Delete a batch in one transaction; where MariaDB ends a deadlock of two by the failure of one, try again."""
        from .concurrency.retry import CONFLICTS
        from .concurrency.stale import code_of

        for _ in range(1 if self._connection().in_atomic_block else PURGE_TRIES):
            try:
                return self._delete_once(batch, sweep)
            except OperationalError as error:
                if code_of(error) not in CONFLICTS:
                    raise
                failure = error
        raise failure

    def _delete_once(self, batch: int, sweep: "Sweep") -> int:
        connection = self._connection()
        with transaction.atomic(using=connection.alias):
            oldest = self.using(connection.alias).order_by("expires_at")
            if sweep.end is not None:
                oldest = oldest.filter(expires_at__gte=sweep.end)
            if connection.features.has_select_for_update:
                oldest = oldest.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
            if connection.vendor == "postgresql":
                return self._delete_by_place(oldest, batch, sweep)
            chosen = list(oldest.values_list("pk", "expires_at")[:batch])
            if not chosen:
                return 0
            sweep.end = chosen[-1][1]
            # _raw_delete: nothing refers to these rows, so no look-up before the DELETE.
            doomed = self.model._base_manager.using(connection.alias).filter(pk__in=[digest for digest, _ in chosen])
            removed: int = doomed._raw_delete(connection.alias)
            return removed

    def _delete_by_place(self, oldest: "ExpiringQuerySet", batch: int, sweep: "Sweep") -> int:
        """Delete in one statement, each row where it lies: four times as fast as by a list of digests.

        The ARRAY makes the rows be chosen once; IN would let the planner choose anew for each row. In
        a partitioned table another part may have a row at the same place: it goes only if it is expired, too.
        """
        connection = self._connection()
        places = oldest.annotate(place=RawSQL("ctid", [])).values("place")[:batch]
        sql, values = places.query.get_compiler(connection=connection).as_sql()
        with connection.cursor() as cursor:
            table = self.model._meta.db_table
            cursor.execute(
                f"WITH gone AS (DELETE FROM {table} WHERE ctid = ANY(ARRAY({sql})) AND expires_at <= now() "
                "RETURNING expires_at) SELECT count(*), max(expires_at) FROM gone",
                values,
            )
            removed, end = cursor.fetchone()
        sweep.end = end or sweep.end
        return int(removed)

    def _connection(self) -> BaseDatabaseWrapper:
        from django.db import connections, router

        return connections[self._db or router.db_for_write(self.model)]  # type: ignore[attr-defined]


class RequestQuerySet(ExpiringQuerySet):
    """Records of requests, and what is over among them."""

    def expired(self) -> ExpiringQuerySet:
        """Return the records whose time is over by the store's clock.

        Not what still runs, waits for dist_complete, or waits for an operator.
        """
        state = RequestRecord.State
        at_work = models.Q(state=state.RUNNING, leased_until__gt=StoreNow()) | models.Q(state=state.HELD)
        waits = models.Q(state=state.RUNNING, kept__isnull=False)
        return super().expired().exclude(at_work | waits)


class RequestRecord(models.Model):
    """One finished request: what was asked, as digests, and what was answered."""

    class State(models.IntegerChoices):
        """How far a request has come."""

        RUNNING = 0, "running"  # in atomic mode seen by its own transaction alone
        FINISHED = 1, "finished"
        TOMBSTONE = 2, "finished, answer not kept"
        HELD = 3, "held for an operator"

    digest = DigestField(primary_key=True, editable=False)
    fingerprint = DigestField(editable=False)
    binding = DigestField(null=True, editable=False)
    scope = models.CharField(max_length=200, editable=False)
    view = models.CharField(max_length=200, editable=False)
    state = models.PositiveSmallIntegerField(choices=State.choices, default=State.FINISHED, editable=False)
    status = models.PositiveSmallIntegerField(default=0, editable=False)
    reason = models.CharField(max_length=200, default="", editable=False)
    headers = models.TextField(default="[]", editable=False)
    body = models.BinaryField(null=True, editable=False)
    replays = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField(db_index=True, editable=False)

    # Of mode "lease" alone, and NULL once it is finished.
    owner = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)  # indexed by the migration where it is not NULL
    attempts = models.PositiveSmallIntegerField(null=True, editable=False)
    steps = models.TextField(null=True, editable=False)
    kept = models.BinaryField(null=True, editable=False)  # the request, for dist_complete

    objects: ClassVar[Any] = RequestQuerySet.as_manager()

    class Meta:
        db_table = "django_dist_request"
        verbose_name = "recorded request"
        permissions = [("view_request_body", "Can view the recorded bodies of answers")]

    def __str__(self) -> str:
        return str(self.digest)


class DedupeEntry(models.Model):
    """One key that was claimed in its scope, as a digest; see django_dist.dedupe."""

    digest = DigestField(primary_key=True, editable=False)
    claimed_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField(null=True, db_index=True, editable=False)  # None: never
    # MariaDB and MySQL tell a winner by it: false after the statement that inserted or renewed the row.
    repeated = models.BooleanField(default=False, editable=False)
    scope = models.CharField(max_length=100, editable=False)
    result = models.TextField(null=True, editable=False)  # JSON, of @once(keep_result=True)

    objects: ClassVar[Any] = ExpiringQuerySet.as_manager()

    class Meta:
        db_table = "django_dist_dedupe"
        verbose_name = "dedupe entry"
        verbose_name_plural = "dedupe entries"

    def __str__(self) -> str:
        return str(self.digest)


class SessionQuerySet(ExpiringQuerySet):
    """Sessions, which are stored under the digests of their keys."""

    def for_key(self, key: str) -> "models.QuerySet[StoredSession]":
        """Return the session of the cookie ``key``, if it is stored, expired or not."""
        from .sessions.keys import digest_of_key

        return self.filter(pk=digest_of_key(key))


class StoredSession(models.Model):
    """One session; its key is known to the browser alone."""

    digest = DigestField(primary_key=True, editable=False)
    version = models.BigIntegerField(editable=False)
    data = models.BinaryField(editable=False)
    user_id = models.CharField(max_length=64, null=True, editable=False)  # None: nobody
    created_at = models.DateTimeField(editable=False)  # or when its user logged in
    seen_at = models.DateTimeField(editable=False)
    expires_at = models.DateTimeField(db_index=True, editable=False)
    # None: not recorded; see the options record_ip and record_user_agent
    ip = models.CharField(max_length=39, null=True, editable=False)
    agent = models.CharField("user agent", max_length=200, null=True, editable=False)

    objects: ClassVar[Any] = SessionQuerySet.as_manager()

    class Meta:
        db_table = "django_dist_session"
        verbose_name = "session"
        indexes = [models.Index(fields=["user_id"], name="django_dist_session_user")]

    def __str__(self) -> str:
        return str(self.digest)

    def get_decoded(self) -> dict[str, Any]:
        """Return the data; empty where it was not stored under this digest, or not by this site."""
        from .sessions.database import SessionStore

        return SessionStore.decoded(self)


class SessionLatch(models.Model):
    """What logins of one user hold in turn where ``max_per_user`` is set; users share the few there are."""

    slot = models.SmallIntegerField(primary_key=True, editable=False)

    class Meta:
        db_table = "django_dist_session_latch"

    def __str__(self) -> str:
        return str(self.slot)


class StoredLock(models.Model):
    """One lock, by its name: who has it and until when, and the fence of its last grant, which never goes back."""

    digest = DigestField(primary_key=True, editable=False)
    name = models.BinaryField(editable=False)  # in UTF-8, for people: databases differ in what text they take
    owner = models.CharField(max_length=200, null=True, editable=False)  # None: nobody
    fence = models.BigIntegerField(editable=False)
    taken_at = models.DateTimeField(editable=False)
    # No index: an update of a column without one costs PostgreSQL half as much.
    expires_at = models.DateTimeField(editable=False)

    class Meta:
        db_table = "django_dist_lock"
        verbose_name = "lock"

    def __str__(self) -> str:
        return bytes(self.name).decode()
