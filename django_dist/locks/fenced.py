"""Models whose rows refuse a late holder: the fence of a lock stands on the row, and in the WHERE of each UPDATE.

Source: M. Kleppmann, "How to do distributed locking" (2016). There the fence is checked by the write alone, so that a
late holder wins that writes before its follower does; here the row has the fence from when it is entered, before it
is read.
"""

from typing import Any, ClassVar, TypeVar

from asgiref.sync import sync_to_async
from django.db import models, router, transaction

from ..exceptions import LockLost
from .lease import Lease

Self = TypeVar("Self", bound="FencedModel")


class FencedModel(models.Model):
    """A model whose rows are entered under a lock; save() and delete() of a holder that was followed raise LockLost.

    What is written past save() and delete(), such as by a query set, asks no fence, but on under().
    With VersionedModel or GuardedModel, those come first: ``class Account(VersionedModel, FencedModel)``.
    """

    is_fenced: ClassVar[bool] = True

    fence = models.BigIntegerField(default=0, editable=False)

    class Meta:
        abstract = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Raise TypeError where a class that checks more comes after this one, and would not be asked."""
        super().__init_subclass__(**kwargs)
        after = cls.__mro__[cls.__mro__.index(FencedModel) :]
        if late := [each.__name__ for each in after if each.__name__ in ("VersionedModel", "GuardedModel")]:
            raise TypeError(f"class {cls.__name__}: write {late[0]} before FencedModel")

    @classmethod
    def enter(cls: type[Self], lease: Lease, **lookup: Any) -> Self:
        """Raise the fence of the one row that ``lookup`` finds to that of ``lease``, read it and return it.

        Whoever entered it before cannot save or delete it any more. Two statements. Raises LockLost where the lease
        is over, or a later holder has entered; DoesNotExist and MultipleObjectsReturned.
        """
        lease.require()
        using = router.db_for_write(cls)
        rows: Any = models.QuerySet(cls, using=using)  # update() of a versioned one would bump the version
        rows.filter(**lookup, fence__lt=lease.fence).update(fence=lease.fence)
        row = cls._default_manager.using(using).get(**lookup)
        if row.fence != lease.fence:
            raise LockLost(f"{lease.name!r} is lost: a later holder has entered {row!r}", name=lease.name)
        row._state.__dict__["dist_entered"] = lease.name, lease.fence
        return row

    @classmethod
    async def aenter(cls: type[Self], lease: Lease, **lookup: Any) -> Self:
        """See enter()."""
        return await sync_to_async(cls.enter)(lease, **lookup)

    @classmethod
    def under(cls: type[Self], lease: Lease) -> "models.QuerySet[Self]":
        """Return the rows that no later holder has entered, for update() and delete() of several."""
        lease.require()
        return cls._default_manager.using(router.db_for_write(cls)).filter(fence__lte=lease.fence)

    def _entered(self) -> tuple[str, int]:
        """Return the lock and the fence that this instance was entered with; else the fence that it was read with."""
        known: tuple[str, int] = self._state.__dict__.get("dist_entered", (self._meta.label, self.fence))
        return known

    def _do_update(  # type: ignore[override]
        self, base_qs: Any, using: str, pk_val: Any, values: Any, *rest: Any
    ) -> Any:
        table = self._meta.get_field("fence").model
        if base_qs.model is not table:
            return super()._do_update(base_qs, using, pk_val, values, *rest)
        name, fence = self._entered()
        written = [each for each in values if each[0].attname != "fence"]
        found = super()._do_update(base_qs.filter(fence=fence), using, pk_val, written, *rest)
        if not found:
            self._require(base_qs.filter(pk=pk_val), name, fence)
        return found

    def _require(self, rows: Any, name: str, fence: int) -> None:
        """Raise LockLost where the row is there with another fence."""
        for found in rows.values_list("fence", flat=True):
            if found != fence:
                raise LockLost(f"{name!r} is lost: a later holder has entered {self!r}", name=name)

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        """Delete the row, and what hangs on it; raises LockLost, and deletes nothing, if a later holder entered it."""
        using = using or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using):
            rows = self._meta.get_field("fence").model._base_manager.using(using).filter(pk=self.pk)
            self._require(rows.select_for_update(), *self._entered())
            return super().delete(using=using, keep_parents=keep_parents)

    delete.alters_data = True  # type: ignore[attr-defined]
