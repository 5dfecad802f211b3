"""What every list of ours in the admin is: read-only, and made for tables of any size."""

from typing import Any, Final

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.utils.functional import cached_property

LATEST: Final = 1000  # rows that can be paged through; what is older is searched for


class LatestPaginator(Paginator):  # type: ignore[type-arg]
    """Pages through the latest rows, and counts no further."""

    @cached_property
    def count(self) -> int:
        """Return how many rows there are, at most LATEST."""
        rows: Any = self.object_list
        found: int = rows.order_by()[:LATEST].count()
        return found


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Shows the latest rows; nobody adds, changes or deletes one."""

    paginator = LatestPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False."""
        return False
