"""The locks of the database in the admin: who holds them, and a way to take one from a holder that is gone."""

from typing import Any

from django.contrib import admin, messages
from django.db import router
from django.db.models import QuerySet
from django.http import HttpRequest

from ..idempotency.digests import digest_of
from ..listing import ReadOnlyAdmin
from ..models import StoredLock
from .database import DatabaseLocks
from .owner import Owner
from .registry import locks


def databases() -> list[str]:
    """Return the databases that keep locks, the first alias's before the others'."""
    stores = [locks[alias] for alias in locks.aliases()]
    found = [store.database for store in stores if isinstance(store, DatabaseLocks)]
    return found or [router.db_for_write(StoredLock)]


@admin.register(StoredLock)
class StoredLockAdmin(ReadOnlyAdmin):
    """Shows the locks of the first database that keeps some; who may change them can break them."""

    list_display = ("__str__", "held_by", "taken_at", "expires_at", "fence")
    fields = readonly_fields = (*list_display, "digest")
    actions = ("break_locks",)
    sortable_by = ()
    ordering = ("pk",)  # the one column with an index
    search_fields = ("digest",)
    search_help_text = "The name of a lock, exactly."

    def get_queryset(self, request: HttpRequest) -> QuerySet[StoredLock]:
        """Return the locks where they are kept."""
        found: QuerySet[StoredLock] = super().get_queryset(request)
        return found.using(databases()[0])

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[StoredLock], search_term: str
    ) -> tuple[QuerySet[StoredLock], bool]:
        """Return the lock of that name."""
        return (queryset.filter(pk=digest_of(["lock", search_term])) if search_term else queryset), False

    @admin.display(description="held by")
    def held_by(self, row: StoredLock) -> str:
        """Return who holds it, or held it last; empty for what was released."""
        owner = Owner.read(row.owner or "")
        return f"{owner.host}, process {owner.pid}, {owner.where}" if owner.pid else owner.nonce

    def has_break_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may break locks; the pages stay read-only."""
        return request.user.has_perm("django_dist.change_storedlock")

    @admin.action(permissions=["break"], description="Break: take it from its holder, and raise the fence")
    def break_locks(self, request: Any, queryset: "QuerySet[StoredLock]") -> None:
        """Break the locks that are chosen."""
        store, chosen = DatabaseLocks(alias="admin", database=queryset.db), list(queryset)
        broken = [row for row in chosen if store.break_lock(str(row))]
        for row in broken:
            self.log_change(request, row, "broken")
        level = messages.SUCCESS if len(broken) == len(chosen) else messages.WARNING
        messages.add_message(request, level, f"{len(broken)} of {len(chosen)} locks were held and are broken.")
