"""Class-based views over versions."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.utils.translation import gettext as _

from ..exceptions import StaleVersion
from .forms import VersionedModelForm, versioned


class VersionedUpdateMixin:
    """For an UpdateView of a VersionedModel, to stand before it among the bases: a stale form is shown again.

    Its ``conflict`` tells both sides to the template; see VersionedModelForm.
    """

    def get_form_class(self) -> type[VersionedModelForm]:
        """Return the form as one that carries the version."""
        return versioned(super().get_form_class())  # type: ignore[misc]

    def get_form_kwargs(self) -> dict[str, Any]:
        """Return what the form is made of; it is made for this user."""
        return {**super().get_form_kwargs(), "user": getattr(self.request, "user", None)}  # type: ignore[misc,attr-defined]

    def form_valid(self, form: forms.BaseModelForm) -> HttpResponse:  # type: ignore[type-arg]
        """Save, or show the form again with what was saved at the same moment."""
        try:
            return super().form_valid(form)  # type: ignore[misc,no-any-return]
        except StaleVersion:
            self.object = self.get_object()  # type: ignore[attr-defined]
            form = self.get_form()  # type: ignore[attr-defined]
            if form.is_valid():  # a snapshot that does not show the change
                form.add_error(None, ValidationError(_("This was changed at the same moment. Save again."), "stale"))
            return self.form_invalid(form)  # type: ignore[attr-defined,no-any-return]
