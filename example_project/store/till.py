"""What the shop does, as plain functions on the database.

Nothing here knows of retries and nothing here is safe against them: called twice, it sells twice.
"""

from uuid import UUID

from django.db import transaction
from django.db.models import F

from . import bank
from .models import Charge, Customer, Order, Product, WalletEntry


class Refused(Exception):
    """The shop will not do it; ``code`` is for programs and ``status`` for HTTP."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@transaction.atomic
def place_order(customer: int, sku: str, quantity: int) -> Order:
    """Take stock and money and write the order: all of it, or Refused and nothing of it."""
    product = Product.objects.filter(sku=sku).first()
    if product is None:
        raise Refused(404, "no_such_product", f"There is no product {sku!r}.")
    if not Product.objects.filter(pk=product.pk, stock__gte=quantity).update(stock=F("stock") - quantity):
        raise Refused(410, "sold_out", f"Fewer than {quantity} of {sku!r} are left.")
    total = product.price * quantity
    if not Customer.objects.filter(pk=customer, balance__gte=total).update(balance=F("balance") - total):
        raise Refused(402, "wallet_short", f"No wallet {customer} that holds {total}.")
    order = Order.objects.create(customer_id=customer, product=product, quantity=quantity, total=total)
    WalletEntry.objects.create(customer_id=customer, amount=-total, order=order)
    return order


def open_account(name: str, email: str) -> Customer:
    """Write a new customer with an empty wallet."""
    return Customer.objects.create(name=name, email=email)


@transaction.atomic
def charge_card(customer: int, amount: int, currency: str, bank_key: UUID) -> Charge:
    """Put money into the wallet and have the bank take it from the card."""
    if not Customer.objects.filter(pk=customer).update(balance=F("balance") + amount):
        raise Refused(404, "resource_missing", f"No such customer: 'cus_{customer}'")
    reference = bank.charge(bank_key, amount)  # outside: no rollback of ours brings it back
    charge = Charge.objects.create(customer_id=customer, amount=amount, currency=currency, bank_reference=reference)
    WalletEntry.objects.create(customer_id=customer, amount=amount, charge=charge)
    return charge
