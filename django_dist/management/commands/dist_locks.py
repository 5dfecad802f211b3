"""List who holds locks, and break one whose holder is known to be gone."""

from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from ...exceptions import BackendUnavailable, InvalidBackend
from ...locks.base import LockBackend
from ...locks.owner import Owner
from ...locks.registry import locks

HEAD: Final = ("name", "host", "pid", "thread or task", "fence", "held for", "lease left", "waiting")


class Command(BaseCommand):
    """``manage.py dist_locks``: what is held now, by the store's clock."""

    help = "List who holds locks; --break NAME takes one from its holder, whose writes are fenced off from then on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See BaseCommand."""
        parser.add_argument("--using", default="default", help="alias of DIST_LOCKS (default: %(default)s)")
        parser.add_argument("--break", dest="name", help="take this lock from its holder, and raise the fence")

    def handle(self, *, using: str, name: str | None, **options: Any) -> None:
        """List, or break; see BaseCommand."""
        try:
            store = locks[using]
            if name is None:
                self._list(store)
            elif store.break_lock(name):
                self.stdout.write(f"{name!r} is taken from its holder, which learns of it by its next renewal")
            else:
                raise CommandError(f"nobody holds {name!r}")
        except (BackendUnavailable, InvalidBackend) as error:
            raise CommandError(str(error)) from error

    def _list(self, store: LockBackend) -> None:
        rows = [HEAD]
        for name, text, fence, age, left, waiting in store.holders():
            owner = Owner.read(text)
            where = (owner.host or owner.nonce, str(owner.pid), owner.where)
            rows.append((repr(name), *where, _known(fence), f"{age:.1f} s", f"{left:.1f} s", _known(waiting)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        self.stdout.write(f"{len(rows) - 1} held")


def _known(number: int | None) -> str:
    return "" if number is None else str(number)
