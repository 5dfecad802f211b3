"""Fill an empty shop: products, and customers with money in their wallets."""

from django.db import transaction

from .models import Customer, Product, WalletEntry
from .wares import CUSTOMERS, OPENING_BALANCE, WARES


@transaction.atomic
def fill() -> None:
    """Write products and customers, unless there are any."""
    if Product.objects.exists():
        return
    for ware in WARES:
        Product.objects.create(**ware._asdict())
    for name in CUSTOMERS:
        customer = Customer.objects.create(name=name, balance=OPENING_BALANCE)
        WalletEntry.objects.create(customer=customer, amount=OPENING_BALANCE)
