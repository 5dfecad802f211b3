"""The records of requests in the admin, to look at: what a customer's key has come to, and nothing to change.

Made for tables of any size: nothing is counted beyond the latest thousand, and digests are found by
the primary key. A search for view or scope reads rows until it has a page full of them.
"""

import codecs
import json
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django.contrib import admin
from django.db.models import DurationField, ExpressionWrapper, F, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from .admin_held import HeldRequests
from .clock import StoreNow
from .dedupe.admin import DedupeEntryAdmin  # noqa: F401  (registers itself)
from .idempotency.database import DatabaseRequests
from .idempotency.digests import digest_of
from .idempotency.keys import FORMATS
from .idempotency.registry import requests
from .idempotency.scope import NOBODY
from .listing import LATEST, ReadOnlyAdmin
from .locks.admin import StoredLockAdmin  # noqa: F401  (registers itself)
from .models import RequestRecord
from .sessions.admin import StoredSessionAdmin  # noqa: F401  (registers itself)

SHOWN_BYTES: Final = 10_000
BODY_PERMISSION: Final = "django_dist.view_request_body"
UNFINISHED: Final = (RequestRecord.State.RUNNING, RequestRecord.State.HELD)


def databases() -> dict[str, str]:
    """Return the databases that keep requests, by the first alias of DIST_IDEMPOTENCY that names each."""
    stores = [requests[alias] for alias in requests.aliases()]
    found: dict[str, str] = {}
    for store in stores:
        if isinstance(store, DatabaseRequests) and store.database not in found.values():
            found[store.alias] = store.database
    return found


def shown(body: bytes | memoryview | None) -> str:
    """Return the start of ``body`` as text; as hexadecimal digits where it is not UTF-8 text."""
    if body is None:
        return "not kept"
    start = bytes(body[:SHOWN_BYTES])
    rest = f"\n... {len(body) - SHOWN_BYTES} bytes more" if len(body) > SHOWN_BYTES else ""
    try:  # a character that the cut has halved is left out
        text = codecs.getincrementaldecoder("utf-8")().decode(start, final=not rest)
        binary = any(ord(char) < 32 and char not in "\t\r\n" for char in text)
    except UnicodeDecodeError:
        binary = True
    return (start.hex(" ") if binary else text) + rest


def digests_for(term: str) -> list[UUID]:
    """Return the digests that a search for ``term`` may mean: a digest itself, or a scope and its key.

    A key alone is looked for as nobody's. The scope is written as the list shows it; that of
    ``scope="credentials"`` cannot be, for its digest holds the secret.
    """
    space, _, key = term.strip().rpartition(" ")
    uuid, opaque = FORMATS["uuid"][0](key), FORMATS["opaque"][0](key)
    digests = [digest_of(["request", space.strip() or NOBODY, identity]) for identity in (uuid, opaque) if identity]
    return [UUID(uuid), *digests] if uuid and not space else digests


class StoreFilter(admin.SimpleListFilter):
    """Chooses among the databases that keep requests, where there are several."""

    title = "store"
    parameter_name = "store"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return a choice a database."""
        found = databases()
        return [(alias, f"{alias} ({database})") for alias, database in found.items()] if len(found) > 1 else []

    def value(self) -> str:
        """Return the alias that is chosen, else the first."""
        return super().value() or next(iter(databases()), "default")

    def choices(self, changelist: Any) -> Any:
        """Return a choice a database, without "All": rows come from one at a time."""
        return list(super().choices(changelist))[1:]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return ``queryset`` as it is: get_queryset() has chosen."""
        return queryset


class StatusFilter(admin.SimpleListFilter):
    """Chooses by the kind of status, without asking the table which there are."""

    title = "status"
    parameter_name = "status_class"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the kinds."""
        return [("2", "success (2xx)"), ("3", "redirect (3xx)"), ("4", "refused (4xx)"), ("5", "failed (5xx)")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the kind that is chosen."""
        if self.value() not in ("2", "3", "4", "5"):
            return queryset
        first = int(self.value() or 0) * 100
        return queryset.filter(status__gte=first, status__lt=first + 100)


@admin.register(RequestRecord)
class RequestRecordAdmin(HeldRequests, ReadOnlyAdmin):
    """Shows records; nobody adds, changes or deletes one here: a deleted record would let its request run again."""

    list_display = ("digest", "state", "age", "view", "scope", "status", "replays", "expires_at", "why")
    actions = ("release_held", "rerun_held")
    sortable_by = ("expires_at",)  # the one column with an index
    ordering = ("-expires_at",)
    list_filter = (StoreFilter, "state", StatusFilter)
    search_fields = ("view", "scope")
    search_help_text = (
        'A digest; a key of nobody known; a scope and a key, such as "user:auth.user:7 9f8c3a52-..."; '
        "or a part of view or scope."
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[RequestRecord]:
        """Return the records of the store that is chosen, without their bodies; age by the store's clock."""
        age = ExpressionWrapper(StoreNow() - F("created_at"), output_field=DurationField())
        rows: QuerySet[RequestRecord] = super().get_queryset(request).using(_database(request))
        return rows.defer("body", "headers", "kept", "steps").annotate(age=age)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[RequestRecord], search_term: str
    ) -> tuple[QuerySet[RequestRecord], bool]:
        """Return the rows of the digests that are meant, else those whose view or scope holds the term."""
        by_digest = queryset.filter(pk__in=digests_for(search_term))
        if search_term and by_digest.exists():
            return by_digest, False
        return super().get_search_results(request, queryset, search_term)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return what is shown of one record; the body to those who may see it."""
        body = ["body_shown"] if request.user.has_perm(BODY_PERMISSION) else []
        answer = ["status", "reason", "headers_shown", *body]
        if obj is not None and obj.state in UNFINISHED:
            answer = ["why", "steps_shown", "attempts", "leased_until"]
        return ["digest", "state", "view", "scope", "bound", "replays", "created_at", "age", "expires_at", *answer]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return all."""
        return self.get_fields(request, obj)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Say in the title how far the list goes."""
        title = {"title": f"The latest {LATEST} recorded requests"}
        return super().changelist_view(request, {**title, **(extra_context or {})})

    @admin.display(description="age")
    def age(self, record: Any) -> str:
        """Return how long ago the answer was recorded."""
        return str(timedelta(seconds=int(record.age.total_seconds())))

    @admin.display(description="bound to credentials", boolean=True)
    def bound(self, record: RequestRecord) -> bool:
        """Return whether a repeat must carry the credentials of the first."""
        return record.binding is not None

    @admin.display(description="headers")
    def headers_shown(self, record: RequestRecord) -> SafeString:
        """Return a line a header."""
        return format_html_join("", "{}: {}<br>", json.loads(record.headers))

    @admin.display(description="body")
    def body_shown(self, record: RequestRecord) -> SafeString:
        """Return the start of the body, escaped."""
        return format_html('<pre style="white-space: pre-wrap">{}</pre>', shown(record.body))


def _database(request: HttpRequest) -> str:
    """Return the database that the request asks for, or the list that it comes from; else the first."""
    found = databases()
    asked = request.GET.get("store") or QueryDict(request.GET.get("_changelist_filters", "")).get("store")
    return found.get(str(asked)) or next(iter(found.values()), "default")
