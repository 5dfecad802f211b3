"""Models of which no write overwrites a version that it did not read."""

from typing import Any, ClassVar

from django.db import DatabaseError, connections, models, router, transaction
from django.db.models import F

from ..exceptions import StaleVersion
from .field import Unread, VersionField, version_field
from .memory import put
from .queryset import ConcurrentManager
from .stale import expected_version, stale, told_as_stale
from .unchecked import is_unchecked
from .update import is_plain, update


class VersionedModel(models.Model):
    """A model whose rows carry a version: save() and delete() raise StaleVersion for a row changed since."""

    bump_on_no_change: ClassVar[bool] = True  # False: a save() that changes nothing checks the version and leaves it

    version = VersionField()
    objects = ConcurrentManager()
    _concurrent = ConcurrentManager()

    class Meta:
        abstract = True
        base_manager_name = "_concurrent"

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Any:
        """Keep what was loaded beside the instance; see compare()."""
        instance = super().from_db(*args, **kwargs)
        instance._state.__dict__["dist_loaded"] = dict(instance.__dict__)
        return instance

    def refresh_from_db(self, *args: Any, **kwargs: Any) -> None:
        """Read the row anew, and its version with it; the version of a part is not read, unless it is named."""
        fields, field = args[1] if len(args) > 1 else kwargs.get("fields"), version_field(type(self))
        read = field is not None and field.attname in self.__dict__
        before = self.__dict__[field.attname] if read else None  # type: ignore[union-attr]
        super().refresh_from_db(*args, **kwargs)
        if read and fields and field.name not in fields:  # type: ignore[union-attr]
            self.__dict__[field.attname] = before  # type: ignore[union-attr]
        names = fields or self.__dict__
        loaded = self._state.__dict__.setdefault("dist_loaded", {})
        loaded.update({name: self.__dict__[name] for name in list(names) if name in self.__dict__})

    def save_base(self, raw: bool = False, *args: Any, **kwargs: Any) -> None:
        """Save; a conflict leaves the transaction usable."""
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        connection = connections[using]
        was_broken, field = connection.needs_rollback, version_field(type(self))
        parents_first = field is not None and bool(field.model._meta.parents)
        try:
            if parents_first and not raw and connection.in_atomic_block:
                with transaction.atomic(using):  # undoes what was written to the tables of the parents
                    super().save_base(raw, *args, **kwargs)
            else:
                super().save_base(raw, *args, **kwargs)
        except StaleVersion as error:
            if connection.in_atomic_block and error.__cause__ is None:
                connection.needs_rollback = was_broken
            raise

    save_base.alters_data = True  # type: ignore[attr-defined]

    def _save_table(self, raw: bool = False, cls: Any = None, *args: Any, **kwargs: Any) -> Any:
        self._state.__dict__["dist_raw"] = raw
        updated = super()._save_table(raw, cls, *args, **kwargs)  # type: ignore[misc]
        field, using = version_field(type(self)), kwargs.get("using") or (args[2] if len(args) > 2 else None)
        if field is not None and cls is field.model and not updated and not raw:
            put(self, using or self._state.db or "default", {field.attname: 1})
        return updated

    def _do_update(  # type: ignore[override]
        self, base_qs: Any, using: str, pk_val: Any, values: Any, update_fields: Any, forced_update: Any, *more: Any
    ) -> Any:
        field = version_field(type(self))
        rest = (update_fields, forced_update, *more)
        if field is None or self._state.__dict__.get("dist_raw"):
            return super()._do_update(base_qs, using, pk_val, values, *rest)
        if base_qs.model is not field.model:
            found = super()._do_update(base_qs, using, pk_val, values, *rest)
            if found or self._state.adding or is_unchecked(type(self)):
                return found
            error = DatabaseError(f"{base_qs.model._meta.label} {pk_val!r} is not there")  # to be undone by a rollback
            raise stale(self, field, expected_version(self, field), using) from error
        values = [each for each in values if each[0] is not field]
        if is_unchecked(type(self)):
            values.append((field, None, F(field.attname) + 1))
            found = super()._do_update(base_qs, using, pk_val, values, *rest)
            if found:
                put(self, using, {field.attname: base_qs.filter(pk=pk_val).values_list(field.attname, flat=True).get()})
            return found
        if self._state.adding and isinstance(self.__dict__.get(field.attname), Unread) and not forced_update:
            return []
        expected = expected_version(self, field)
        unchanged = not self.bump_on_no_change and self._is_as_loaded(values)
        with told_as_stale(type(self), pk_val, expected):
            if unchanged:
                found = [()] if base_qs.filter(pk=pk_val, **{field.attname: expected}).exists() else []
            elif is_plain(base_qs, values, more):
                found = [()] if update(field, using, pk_val, values, expected) else []
            else:
                checked = base_qs.filter(**{field.attname: expected})
                bumped = [*values, (field, None, expected + 1)]
                found = super()._do_update(checked, using, pk_val, bumped, *rest)
        if not found:
            raise stale(self, field, expected, using)
        if not unchanged:
            put(self, using, {field.attname: expected + 1})
            self._remember([*values, (field, None, expected + 1)], known=not connections[using].in_atomic_block)
        return found

    def _remember(self, values: Any, *, known: bool) -> None:
        """Keep what was saved as what was loaded; inside a transaction, which may be rolled back, nothing is known."""
        loaded = self._state.__dict__.setdefault("dist_loaded", {})
        for each, _, value in values:
            if known and not hasattr(value, "resolve_expression"):
                loaded[each.attname] = value
            else:
                loaded.pop(each.attname, None)

    def _is_as_loaded(self, values: Any) -> bool:
        loaded = self._state.__dict__.get("dist_loaded", {})
        return all(each.attname in loaded and loaded[each.attname] == value for each, _, value in values)

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        """Delete the row, and what hangs on it; raises StaleVersion, and deletes nothing, if it was changed since."""
        field = version_field(type(self))
        if field is None or self.pk is None or is_unchecked(type(self)):
            return super().delete(using=using, keep_parents=keep_parents)
        using = using or router.db_for_write(type(self), instance=self)
        expected, rows = expected_version(self, field), field.model._base_manager.using(using)
        with transaction.atomic(using):
            with told_as_stale(type(self), self.pk, expected):
                found = rows.select_for_update().filter(pk=self.pk, **{field.attname: expected}).only("pk").first()
            if found is None:
                raise stale(self, field, expected, using)
            put(self, using, {self._meta.pk.attname: self.pk})
            return super().delete(using=using, keep_parents=keep_parents)

    delete.alters_data = True  # type: ignore[attr-defined]
