"""The dedupe entries of the router's database in the admin, to look at: whether a message was taken, and when."""

from contextlib import suppress
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from ..listing import ReadOnlyAdmin
from ..models import DedupeEntry
from .claims import digest_for


def digests_for(term: str) -> list[UUID]:
    """Return the digests that a search for ``term`` may mean: a digest itself, or a scope and a key."""
    found = []
    with suppress(ValueError):
        found.append(UUID(term))
    spaces = [place for place, char in enumerate(term) if char == " "]  # scope and key may hold some themselves
    return found + [digest_for(term[:place], term[place + 1 :]) for place in spaces]


@admin.register(DedupeEntry)
class DedupeEntryAdmin(ReadOnlyAdmin):
    """Shows entries; a deleted one would let its message take effect again."""

    list_display = ("digest", "scope", "claimed_at", "expires_at")
    fields = readonly_fields = ("digest", "scope", "claimed_at", "expires_at", "result")
    sortable_by = ()
    ordering = ("-expires_at",)  # the one column with an index
    search_fields = ("digest",)
    search_help_text = 'A digest; or a scope and a key, such as "payments 4711".'

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[DedupeEntry], search_term: str
    ) -> tuple[QuerySet[DedupeEntry], bool]:
        """Return the rows of the digests that are meant."""
        term = search_term.strip()
        return (queryset.filter(pk__in=digests_for(term)) if term else queryset), False

    def get_queryset(self, request: HttpRequest) -> QuerySet[DedupeEntry]:
        """Return the entries without what handlers returned."""
        found: QuerySet[DedupeEntry] = super().get_queryset(request)
        return found.defer("result")
