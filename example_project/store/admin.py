"""The shop's tables in the admin pages, beside django_dist's own list of requests."""

from django.contrib import admin

from .models import Charge, Customer, Order, Product, WalletEntry

admin.site.register([Charge, Customer, Order, Product, WalletEntry])
