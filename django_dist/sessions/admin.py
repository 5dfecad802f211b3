"""The sessions of the database engine in the admin: whose, since when, on what; to look at, and to end."""

from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest

from ..listing import ReadOnlyAdmin
from ..models import StoredSession
from .database import SessionStore
from .place import SessionPlace
from .replica import ENDED, MISSED
from .users import name_of


@admin.register(StoredSession)
class StoredSessionAdmin(ReadOnlyAdmin):
    """Shows sessions without their data; who may delete them can revoke them."""

    list_display = ("digest", "user_id", "created_at", "seen_at", "expires_at", "ip", "agent")
    fields = readonly_fields = (*list_display, "version")
    actions = ("revoke",)
    sortable_by = ()
    ordering = ("-expires_at",)  # with the user the one column that has an index
    search_fields = ("user_id",)
    search_help_text = "A user, by name or primary key."

    def get_queryset(self, request: HttpRequest) -> QuerySet[StoredSession]:
        """Return the sessions where they are written, without their data."""
        found: QuerySet[StoredSession] = super().get_queryset(request)
        # Of the engine "replicated" there are also marks: what has ended, and what another store has missed.
        sessions = found.filter(version__lt=ENDED).exclude(user_id__startswith=MISSED)
        return sessions.using(SessionStore.place.database).defer("data")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[StoredSession], search_term: str
    ) -> tuple[QuerySet[StoredSession], bool]:
        """Return the sessions of the users that are meant."""
        term = search_term.strip()
        return (queryset.filter(user_id__in=_names(term)) if term else queryset), False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Return whether the user may end sessions; the pages stay read-only."""
        return request.user.has_perm("django_dist.delete_storedsession")

    @admin.action(permissions=["revoke"], description="Revoke: log out at once")
    def revoke(self, request: Any, queryset: "QuerySet[StoredSession]") -> None:
        """End the sessions that are chosen."""
        chosen = list(queryset)
        place = _place()
        ended = [session for session in chosen if place.delete(session.pk)]
        for session in ended:
            self.log_change(request, session, "revoked")
        messages.success(request, f"{len(ended)} of {len(chosen)} sessions were live and are ended.")


def _place() -> SessionPlace:
    """Return where a session is ended: in every store that has a copy."""
    if settings.SESSION_ENGINE == "django_dist.sessions.replicated":
        from .replicated import SessionStore as Replicated

        return Replicated.place
    return SessionStore.place


def _names(term: str) -> list[str]:
    """Return what the users that ``term`` may mean are called in a session."""
    model = get_user_model()
    named = model._default_manager.filter(**{model.USERNAME_FIELD: term})
    return [name for name in map(name_of, [term, *named]) if name is not None]
