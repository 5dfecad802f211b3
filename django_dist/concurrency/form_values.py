"""Values of a form's fields: as a reader sees them, and as a browser would send them."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.formats import localize
from django.utils.timezone import is_aware, localtime
from django.utils.translation import gettext as _


def shown(field: forms.Field, value: Any) -> str:
    """Return ``value``, as plain() makes it, in words; of other rows only those that the field offers."""
    if value in (None, "", []):
        return "–"  # noqa: RUF001
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if isinstance(field, forms.ModelChoiceField):
        return _names(field, value if isinstance(value, list) else [value])
    names = {str(key): str(name) for key, name in _flat(getattr(field, "choices", ()))}
    if names:
        return ", ".join(names.get(str(one), str(one)) for one in (value if isinstance(value, list) else [value]))
    if isinstance(field, (forms.DateTimeField, forms.SplitDateTimeField)) and (moment := parse_datetime(str(value))):
        return str(localize(localtime(moment) if is_aware(moment) else moment))
    if isinstance(field, forms.DecimalField) and field.decimal_places is not None:
        return f"{Decimal(str(value)):.{field.decimal_places}f}"
    if isinstance(field, forms.DateField) and (day := parse_date(str(value))):
        return str(localize(day))
    return str(value)


def _names(field: Any, keys: list[Any]) -> str:
    rows = field.queryset.filter(**{f"{field.to_field_name or 'pk'}__in": keys}) if field.queryset is not None else ()
    found = {str(field.prepare_value(row)): field.label_from_instance(row) for row in rows}
    return ", ".join(str(found.get(str(key), key)) for key in keys)


def _flat(choices: Any) -> Iterator[tuple[Any, Any]]:
    for key, name in choices:
        if isinstance(name, (list, tuple)):
            yield from _flat(name)
        elif key not in (None, ""):
            yield key, name


def replace(data: Any, field: forms.Field, name: str, value: Any) -> None:
    """Put ``value`` into ``data``, which a browser has sent, as if the form had shown it under ``name``."""
    widget: Any = getattr(field.widget, "widget", field.widget)  # the admin wraps that of a foreign key
    if isinstance(widget, forms.FileInput):
        return
    context = widget.get_context(name, field.prepare_value(value), {})["widget"]
    for part in context.get("subwidgets") or [context]:
        _set(data, part)


def _set(data: Any, part: Mapping[str, Any]) -> None:
    name, value = part["name"], part["value"]
    data.pop(name, None)
    if part.get("type") == "checkbox" and "optgroups" not in part:
        if part["attrs"].get("checked"):
            data[name] = value or "on"
    elif isinstance(value, (list, tuple)):
        if hasattr(data, "setlist"):
            data.setlist(name, value)
        else:
            data[name] = value if part["attrs"].get("multiple") else "".join(value)
    elif value is not None:
        data[name] = value
