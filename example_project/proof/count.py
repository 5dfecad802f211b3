"""Count what the shop, its wallets and the bank hold, beside what was promised; import it after django.setup()."""

from collections.abc import Sequence
from typing import Any, Final

from django.db.models import Sum

from store.figures import figures
from store.models import Charge, Customer, Order
from store.wares import CUSTOMERS, OPENING_BALANCE, SEAT, WARES

from .report import Line
from .tally import Promise, Tally

ROWS: Final[dict[str, Any]] = {"order": Order, "cus": Customer, "ch": Charge}


def promises(promise: Promise, tallies: Sequence[Tally]) -> list[Line]:
    """Return every promise with its count."""
    now = figures()
    seats = min(SEAT.stock, promise.seats_wanted)
    sold = promise.spent + seats * SEAT.price
    opening = len(CUSTOMERS) * OPENING_BALANCE
    stock = sum(ware.stock for ware in WARES)
    misused = sum(tally.misused for tally in tallies)
    return [
        Line("orders", promise.orders + seats, now.orders),
        Line("pieces left in stock", stock - promise.items - seats, now.stock),
        Line(f"of the last {SEAT.stock} seats, sold", seats, _seats_sold()),
        Line("money taken for orders", sold, Order.objects.aggregate(total=Sum("total", default=0))["total"], True),
        Line("customers", len(CUSTOMERS) + promise.customers, now.customers),
        Line("charges", promise.charges, now.charges),
        Line("cards charged by the bank", promise.charges, now.bank.charges),
        Line("money taken by the bank", promise.charged, now.bank.money, True),
        Line("money in all wallets", opening + promise.charged - sold, now.wallets, True),
        Line("wallets that differ from their entries", 0, now.wrong_wallets),
        Line("keys that were given two different answers", 0, _two_faced(tallies)),
        Line("answers that tell of what is not on file", 0, _false_answers(tallies)),
        Line("keys used for something else, refused", misused, sum(tally.refused for tally in tallies)),
    ]


def _seats_sold() -> int:
    total: int = Order.objects.filter(product__sku=SEAT.sku).aggregate(total=Sum("quantity", default=0))["total"]
    return total


def _two_faced(tallies: Sequence[Tally]) -> int:
    return sum(len(bodies) > 1 for tally in tallies for bodies in tally.answers.values())


def _false_answers(tallies: Sequence[Tally]) -> int:
    """Return how many ids a client was told that are in no table."""
    wrong = 0
    for kind, model in ROWS.items():
        told = set().union(*(tally.ids[kind] for tally in tallies))
        wrong += len(told - set(model.objects.values_list("pk", flat=True)))
    return wrong
