"""What the shop and its bank hold right now: the figures that the demo compares and the index page shows."""

from typing import NamedTuple

from django.db.models import F, Sum

from . import bank
from .models import Charge, Customer, Order, Product


class Figures(NamedTuple):
    """Counts of rows, and sums of money in minor units."""

    customers: int
    orders: int
    stock: int  # of all products together
    charges: int
    wallets: int  # money in all wallets
    wrong_wallets: int  # wallets that differ from the sum of their entries
    bank: bank.Book


def figures() -> Figures:
    """Count anew."""
    wrong = Customer.objects.annotate(entered=Sum("walletentry__amount", default=0)).exclude(balance=F("entered"))
    return Figures(
        customers=Customer.objects.count(),
        orders=Order.objects.count(),
        stock=Product.objects.aggregate(total=Sum("stock", default=0))["total"],
        charges=Charge.objects.count(),
        wallets=Customer.objects.aggregate(total=Sum("balance", default=0))["total"],
        wrong_wallets=wrong.count(),
        bank=bank.book(),
    )
