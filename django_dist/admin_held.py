"""What the admin lets an operator decide about held requests, for those who may change records."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from .idempotency import held
from .idempotency.steps import Steps
from .models import RequestRecord


class HeldRequests:
    """Mixed into the admin of records: why a request is held, how far it came, and two actions."""

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may decide; the pages stay read-only."""
        return request.user.has_perm("django_dist.change_requestrecord")

    @admin.action(permissions=["decide"], description="Release what is held: the next try goes on")
    def release_held(self, request: HttpRequest, queryset: "QuerySet[RequestRecord]") -> None:
        """Let the next try go on; see held.release()."""
        self._decide(request, queryset, held.release)

    @admin.action(permissions=["decide"], description="Release what is held, and call its unknown steps again")
    def rerun_held(self, request: HttpRequest, queryset: "QuerySet[RequestRecord]") -> None:
        """Let the next try call again what was called without a word since; see held.rerun()."""
        self._decide(request, queryset, held.rerun)

    def _decide(self, request: Any, rows: "QuerySet[RequestRecord]", decide: Callable[[str, UUID], bool]) -> None:
        chosen = list(rows.values_list("pk", flat=True))
        done = [digest for digest in chosen if decide(rows.db, digest)]
        for digest in done:
            self.log_change(request, RequestRecord(pk=digest), decide.__name__)  # type: ignore[attr-defined]
        level = messages.SUCCESS if len(done) == len(chosen) else messages.WARNING
        messages.add_message(request, level, f"{len(done)} of {len(chosen)} were held and are released.")

    @admin.display(description="why held")
    def why(self, record: RequestRecord) -> str:
        """Return why the request is held."""
        return record.reason if record.state == RequestRecord.State.HELD else ""

    @admin.display(description="steps")
    def steps_shown(self, record: RequestRecord) -> SafeString:
        """Return a line a step, without its result."""
        steps = Steps.read(record.steps)
        lines = [(name, "called, outcome unknown" if steps.is_unknown(name) else "ended") for name, _ in steps.items()]
        return format_html_join("", "{}: {}<br>", lines)
