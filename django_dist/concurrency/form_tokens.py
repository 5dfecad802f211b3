"""What a form carries of the row that it shows: its version and values, signed, for one row and one user."""

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import PurePath
from typing import Any, Final

from django.core.signing import BadSignature, Signer
from django.db import models
from django.db.models.fields.files import FieldFile

SALT: Final = "django_dist.concurrency.form"
#: A longer value goes into the form as its digest: that it was changed can be told, not what it was.
LONG: Final = 2_000


@dataclass(frozen=True)
class Shown:
    """The row as a form has shown it."""

    version: int
    opened: float  # seconds, by the clock of the web server: to look up who did what, not to decide
    values: Mapping[str, Any]
    digests: Mapping[str, str]

    def knows(self, name: str) -> bool:
        """Return whether the value of the field ``name`` was in the form."""
        return name in self.values or name in self.digests

    def is_same(self, name: str, value: Any) -> bool:
        """Return whether ``value`` is what the field ``name`` showed."""
        if name in self.values:
            return bool(self.values[name] == plain(value))
        return self.digests.get(name) == _digest(_text(plain(value)))


def seal(row: models.Model, user: Any, version: int, values: Mapping[str, Any]) -> str:
    """Return the token of a form that shows ``row`` to the user whose key is ``user``."""
    short: dict[str, Any] = {}
    digests: dict[str, str] = {}
    for name, value in values.items():
        text = _text(plain(value))
        if len(text) > LONG:
            digests[name] = _digest(text)
        else:
            short[name] = plain(value)
    return _signer(row, user).sign_object([version, round(time.time(), 3), short, digests], compress=True)


def unseal(row: models.Model, user: Any, token: str) -> Shown | None:
    """Return what ``token`` holds; None if it was made for another row or user, or by somebody else."""
    try:
        return Shown(*_signer(row, user).unsign_object(token))
    except (BadSignature, ValueError):
        return None


def _signer(row: models.Model, user: Any) -> Signer:
    model = row._meta.concrete_model or type(row)
    return Signer(salt=json.dumps([SALT, model._meta.label, str(row.pk), str(user)]))


def plain(value: Any) -> Any:
    """Return ``value`` as JSON has it, alike whether it comes from the row or from the form."""
    if isinstance(value, models.Model):
        return plain(value.pk)
    if isinstance(value, models.QuerySet) or (isinstance(value, (list, tuple)) and _are_rows(value)):
        return sorted((plain(row) for row in value), key=str)
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, str):
        return value.replace("\r\n", "\n")  # as browsers send lines
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _spelled(value)


def _are_rows(values: Any) -> bool:
    return bool(values) and all(isinstance(value, models.Model) for value in values)


def _spelled(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value.normalize(), "f") if value.is_finite() else str(value)
    if isinstance(value, datetime):
        moment = value.replace(microsecond=0)  # widgets show none
        return (moment.astimezone(timezone.utc) if moment.tzinfo else moment).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if hasattr(value, "isoformat"):
        return str(value.replace(microsecond=0).isoformat())
    if isinstance(value, (FieldFile, PurePath)):
        return str(value)
    return str(value)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
