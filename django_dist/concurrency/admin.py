"""VersionedModel in the admin: no editor saves over another, and none deletes what he has not seen.

The action "delete selected" is a statement on the rows as they are.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin.models import LogEntry
from django.contrib.admin.options import get_content_type_for_model
from django.db import models
from django.forms.models import BaseInlineFormSet, BaseModelFormSet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from ..exceptions import StaleVersion
from .field import version_name
from .form_tokens import seal, unseal
from .forms import TOKEN, FormConflict, VersionedFormSet, VersionedModelForm, versioned

FOLDER: Final = "django_dist/admin/"
EXPECTED: Final = "_dist_expected"


def _with_token(fieldsets: Sequence[Any], wanted: bool) -> list[tuple[Any, dict[str, Any]]]:
    """Return ``fieldsets`` with the token in them, once, or without it."""
    found = [
        (name, {**options, "fields": [field for field in options["fields"] if field != TOKEN]})
        for name, options in fieldsets
    ]
    if wanted and found:
        found[0][1]["fields"].append(TOKEN)
    return found


class VersionedInlineMixin:
    """For an inline of a VersionedModel, to stand before InlineModelAdmin among the bases."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.form = versioned(getattr(self, "form", VersionedModelForm))
        formset = getattr(self, "formset", BaseInlineFormSet)
        self.formset = type(formset.__name__, (VersionedFormSet, formset), {})

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields, and the token for who may change rows."""
        found = super().get_fieldsets(request, obj)  # type: ignore[misc]
        return _with_token(found, obj is not None and self.has_change_permission(request, obj))  # type: ignore[attr-defined]

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Return the formset of this user."""
        found = super().get_formset(request, obj, **kwargs)  # type: ignore[misc]
        found.form.version_user = request.user.pk
        return found


class VersionedAdminMixin:
    """For the admin of a VersionedModel, to stand before ModelAdmin among the bases."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.form = versioned(getattr(self, "form", VersionedModelForm))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields, and the token for who may change the row."""
        found = super().get_fieldsets(request, obj)  # type: ignore[misc]
        return _with_token(found, obj is not None and self.has_change_permission(request, obj))  # type: ignore[attr-defined]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form of this user."""
        form = super().get_form(request, obj, change, **kwargs)  # type: ignore[misc]
        form.version_user = request.user.pk
        return form

    def get_changelist_formset(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the formset of ``list_editable`` for this user."""
        found = super().get_changelist_formset(request, **kwargs)  # type: ignore[misc]
        members = {"token_by_key": True}
        formset: type[BaseModelFormSet[Any, Any]] = type(found.__name__, (VersionedFormSet, found), members)
        form = versioned(found.form)
        form.version_user = request.user.pk
        formset.form = form
        return formset

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Save the rows of a list, or show which were changed meanwhile."""
        view = super().changelist_view  # type: ignore[misc]
        return _again(request, lambda: view(request, extra_context))

    def changeform_view(
        self, request: HttpRequest, object_id: Any = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Save a row, or show what was changed meanwhile."""
        view = super().changeform_view  # type: ignore[misc]
        return _again(request, lambda: view(request, object_id, form_url, extra_context))

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show conflicts above the form."""
        response: TemplateResponse = super().render_change_form(request, context, *args, **kwargs)  # type: ignore[misc]
        forms = [context["adminform"].form]
        for inline in context["inline_admin_formsets"]:
            forms += inline.formset.forms
        conflicts = [form.conflict for form in forms if getattr(form, "refused", False) and form.conflict]
        if conflicts:
            told = [{"conflict": conflict, "entries": entries_since(conflict)} for conflict in conflicts]
            _extend(response, "change_form.html", {"conflicts": told, "current_url": request.get_full_path()})
        return response

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Return the row; raises StaleVersion if a confirmation was for another version of it."""
        row = super().get_object(request, *args, **kwargs)  # type: ignore[misc]
        if row is not None and hasattr(request, EXPECTED):
            found = unseal(row, request.user.pk, getattr(request, EXPECTED))
            actual = getattr(row, version_name(type(row)))
            if found is None or found.version != actual:
                told = f"{row._meta.label} {row.pk!r} has version {actual}, not that which was shown"
                raise StaleVersion(told, model=type(row), pk=row.pk, expected=found and found.version, actual=actual)
        return row

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Delete the version that was shown, or ask again."""
        if request.method == "POST":
            setattr(request, EXPECTED, request.POST.get(TOKEN, ""))
        try:
            return super().delete_view(request, object_id, extra_context)  # type: ignore[misc,no-any-return]
        except StaleVersion:
            told = _("This was changed since you were asked, and was not deleted. Look at it again.")
            messages.warning(request, told)
            return HttpResponseRedirect(request.get_full_path())

    def render_delete_form(self, request: HttpRequest, context: Any) -> HttpResponse:
        """Ask, and say which version is shown."""
        response: TemplateResponse = super().render_delete_form(request, context)  # type: ignore[misc]
        row = context["object"]
        token = seal(row, request.user.pk, getattr(row, version_name(type(row))), {})
        _extend(response, "delete_confirmation.html", {"token_name": TOKEN, "token": token})
        return response


def _again(request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
    """Run ``view`` once more after a conflict in the UPDATE itself: the form then finds it, and shows it."""
    try:
        return view()
    except StaleVersion:
        if request.method != "POST":
            raise
    try:
        return view()
    except StaleVersion:  # a snapshot that does not show the change, or a crowd
        sent = [(name, value) for name, values in request.POST.lists() for value in values]
        return TemplateResponse(
            request, FOLDER + "repeat.html", {"sent": [pair for pair in sent if pair[0] != "csrfmiddlewaretoken"]}
        )


def _extend(response: TemplateResponse, name: str, more: dict[str, Any]) -> None:
    """Let a template of ours extend the one that ``response`` has, whatever the project has made of it."""
    base = response.resolve_template(response.template_name)
    response.context_data = {**(response.context_data or {}), "dist_base": base, **more}
    response.template_name = FOLDER + name


def entries_since(conflict: FormConflict) -> list[LogEntry]:
    """Return what the admin has noted of the row since the form was opened, the oldest first."""
    row: models.Model = conflict.row
    kind = get_content_type_for_model(row)
    found = LogEntry.objects.filter(content_type=kind, object_id=str(row.pk), action_time__gte=conflict.opened)
    return list(found.select_related("user").order_by("action_time"))


class VersionedModelAdmin(VersionedAdminMixin, admin.ModelAdmin):  # type: ignore[misc,type-arg]
    """The admin of a VersionedModel."""


class VersionedTabularInline(VersionedInlineMixin, admin.TabularInline):  # type: ignore[misc,type-arg]
    """Rows of a VersionedModel as a table."""


class VersionedStackedInline(VersionedInlineMixin, admin.StackedInline):  # type: ignore[misc,type-arg]
    """Rows of a VersionedModel below each other."""
