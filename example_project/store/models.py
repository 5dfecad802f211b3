"""The shop's tables. Money is in minor units (cents), as whole numbers."""

from django.db import models


class Customer(models.Model):
    """Somebody with a wallet; ``balance`` is always the sum of the wallet's entries."""

    name = models.CharField(max_length=100)
    email = models.EmailField(blank=True)
    balance = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(balance__gte=0), name="wallet_not_overdrawn")]

    def __str__(self) -> str:
        return self.name


class Product(models.Model):
    """What is sold, and how much of it is left."""

    sku = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    price = models.BigIntegerField()
    stock = models.IntegerField()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(stock__gte=0), name="stock_not_below_zero")]

    def __str__(self) -> str:
        return self.name


class Order(models.Model):
    """A sale that took place: stock was taken and the wallet was charged."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    product = models.ForeignKey(Product, on_delete=models.PROTECT)
    quantity = models.PositiveIntegerField()
    total = models.BigIntegerField()
    placed_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"order {self.pk}"


class Charge(models.Model):
    """Money that the bank moved from a card into a wallet."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    bank_reference = models.CharField(max_length=40)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"charge {self.pk}"


class WalletEntry(models.Model):
    """One movement of a wallet: what came in is positive, what went out negative."""

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT)
    amount = models.BigIntegerField()
    order = models.ForeignKey(Order, null=True, blank=True, on_delete=models.PROTECT)
    charge = models.ForeignKey(Charge, null=True, blank=True, on_delete=models.PROTECT)

    class Meta:
        verbose_name_plural = "wallet entries"

    def __str__(self) -> str:
        return f"{self.amount:+}"
