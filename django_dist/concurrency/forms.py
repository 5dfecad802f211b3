"""Forms that carry the version of the row that they show, and tell a stale one side by side."""

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, ClassVar, Final

from django import forms
from django.core.exceptions import ValidationError
from django.forms.formsets import DELETION_FIELD_NAME
from django.forms.models import model_to_dict
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from .field import version_name
from .form_tokens import Shown, plain, seal, unseal
from .form_values import replace, shown

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[Any]
else:
    ModelForm = forms.ModelForm

TOKEN: Final = "version_token"  # noqa: S105 (a name)


class TokenField(forms.CharField):
    """Carries the token; that another one is sent than would be made now is no change."""

    widget = forms.HiddenInput

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return False."""
        return False


@dataclass(frozen=True)
class FieldConflict:
    """A field that was changed here or there since the form was opened; its values in words."""

    name: str
    label: str
    original: str
    mine: str
    theirs: str
    mine_changed: bool
    theirs_changed: bool


@dataclass(frozen=True)
class FormConflict:
    """What stands against what in a stale form."""

    row: Any
    name: str  # of the row as it is stored
    opened: datetime
    fields: tuple[FieldConflict, ...]

    @property
    def kind(self) -> str:
        """Return what such a row is called."""
        return str(self.row._meta.verbose_name)

    @property
    def untouched(self) -> bool:
        """Return whether the editor has changed nothing."""
        return not any(field.mine_changed for field in self.fields)

    def __str__(self) -> str:
        told = [
            _("%(field)s is now “%(theirs)s” (it was “%(original)s”)")
            % {
                "field": field.label,
                "theirs": Truncator(field.theirs).chars(80),
                "original": Truncator(field.original).chars(80),
            }
            for field in self.fields
            if field.theirs_changed
        ]
        return "; ".join(told) or _("what changed is not in this form")


class VersionedModelForm(ModelForm):
    """A ModelForm of a VersionedModel: refuses to save over what was changed since it was opened.

    ``user`` is whom the form is for; pass the same when it is shown and when it comes back. After a conflict the form
    holds the editor's changes on top of what is stored now, so that sending it again saves them; ``conflict`` tells
    both sides, and is None where there is none.
    """

    version_user: ClassVar[Any] = None
    version_row: bool = False  # one of a formset, which is saved only if it was changed

    version_token = TokenField(required=False, label="")

    def __init__(self, *args: Any, user: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conflict: FormConflict | None = None
        self.refused = False  # stale, or of a version that nobody has sent
        self._user = getattr(user, "pk", user) if user is not None else self.version_user
        self._version = version_name(type(self.instance))
        if not self.instance._state.adding and TOKEN in self.fields:
            self.initial[TOKEN] = self._seal

    def _seal(self) -> str:
        return seal(self.instance, self._user, getattr(self.instance, self._version), self._stored())

    def _stored(self) -> dict[str, Any]:
        return model_to_dict(self.instance, [name for name in self.fields if name != TOKEN])

    def _post_clean(self) -> None:
        """Compare the version that the form was opened with; the UPDATE asks for the same one again."""
        if self.instance._state.adding or (self.version_row and not self.has_changed()):
            super()._post_clean()  # type: ignore[misc]
            return
        found = self._unseal()
        stale = found is not None and found.version != getattr(self.instance, self._version)
        if found is None or not stale:
            super()._post_clean()  # type: ignore[misc]
            return
        stored, token, name = self._stored(), self._seal(), str(self.instance)
        super()._post_clean()  # type: ignore[misc]
        self._tell(found, stored, token, name)

    def _unseal(self) -> Shown | None:
        token = self.cleaned_data.get(TOKEN) or ""
        found = unseal(self.instance, self._user, token)
        if found is None:
            self.refused = True
            self.add_error(
                None,
                ValidationError(
                    _("This form does not say which version it shows, or it was made for another user. Open it again.")
                    if not token
                    else _("The version in this form is not the one that was sent to you. Open the form again."),
                    code="version_missing" if not token else "version_invalid",
                ),
            )
        return found

    def _tell(self, found: Shown, stored: dict[str, Any], token: str, name: str) -> None:
        fields = [self._compare(each, found, stored[each]) for each in self.fields if each in stored]
        changed = tuple(field for field in fields if field.mine_changed or field.theirs_changed)
        opened = datetime.fromtimestamp(found.opened, timezone.utc)
        self.conflict = FormConflict(self.instance, name, opened, changed)
        delete = self.cleaned_data.get(DELETION_FIELD_NAME)
        if self.version_row and self.conflict.untouched and not self.errors and not delete:
            self.__dict__["changed_data"] = []  # what is stored stays
            return
        self.refused = True
        data: Any = self.data
        data = data.copy()
        for field in changed:
            if not field.mine_changed:
                replace(data, self.fields[field.name], self.add_prefix(field.name), stored[field.name])
        data[self.add_prefix(TOKEN)] = token
        self.data = data
        self.add_error(
            None,
            ValidationError(
                _("This was changed since you opened it: %(changes)s. Save again to keep your own changes.")
                % {"changes": self.conflict},
                code="stale",
            ),
        )

    def _compare(self, name: str, found: Shown, stored: Any) -> FieldConflict:
        field, bound = self.fields[name], self[name]
        valid, known = name in self.cleaned_data, found.knows(name)
        mine = self.cleaned_data[name] if valid else bound.data
        fixed = field.disabled or (isinstance(field, forms.FileField) and name not in self.changed_data)
        original = shown(field, found.values[name]) if name in found.values else _("(too long to show)")
        return FieldConflict(
            name=name,
            label=str(bound.label),
            original=original,
            mine=original if fixed else shown(field, plain(mine)) if valid else str(mine),
            theirs=shown(field, plain(stored)),
            mine_changed=not fixed and not (known and valid and found.is_same(name, mine)),
            theirs_changed=not (known and found.is_same(name, stored)),
        )


class VersionedFormSet:
    """Mixed into a formset of such forms: rows that were left alone keep what is stored, a stale row is not deleted.

    Pass ``form_kwargs={"user": request.user}``.
    """

    token_by_key: ClassVar[bool] = False  # True: rendered with the hidden key, where a template renders no other field

    def add_fields(self, form: Any, index: int | None) -> None:
        """See BaseFormSet.add_fields()."""
        super().add_fields(form, index)  # type: ignore[misc]
        form.version_row = True
        key = form.fields[self._pk_field.name]  # type: ignore[attr-defined]
        if key.widget.is_hidden and self.token_by_key:
            key.widget = KeyAndToken(form)

    def clean(self) -> None:
        """Refuse to delete what was changed since it was shown: the errors of such a row itself are not looked at."""
        super().clean()  # type: ignore[misc]
        for form in self.forms:  # type: ignore[attr-defined]
            if form.refused and self.can_delete and self._should_delete_form(form):  # type: ignore[attr-defined]
                told = "; ".join(form.non_field_errors())
                row = form.conflict.name if form.conflict else form.instance
                raise ValidationError(f"{row}: {told}", code="stale")


class KeyAndToken(forms.HiddenInput):
    """The hidden key of a row, and beside it the token of its version."""

    def __init__(self, form: forms.BaseForm) -> None:
        super().__init__()
        self.form = form

    def render(self, *args: Any, **kwargs: Any) -> Any:
        """Return both inputs."""
        return super().render(*args, **kwargs) + self.form[TOKEN].as_widget()


def versioned(form: type[Any]) -> type[VersionedModelForm]:
    """Return ``form`` as one that carries the version."""
    if issubclass(form, VersionedModelForm):
        return form
    return type(form.__name__, (VersionedModelForm, form), {})
