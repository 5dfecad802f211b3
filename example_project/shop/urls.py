"""The addresses of the shop: what is guarded, and the same without the guard below /unguarded/."""

from django.contrib import admin
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import path

from store.views import orders, pages, stripe_api

urlpatterns = [
    path("", pages.index),
    path("state", pages.state),
    path("health", pages.health),
    path("admin/", admin.site.urls),
    path("orders", orders.orders),
    path("async/orders", orders.async_orders),
    path("unguarded/orders", orders.unguarded_orders),
    path("v1/customers", stripe_api.customers),
    path("v1/customers/cus_<int:pk>", stripe_api.customer),
    path("v1/charges", stripe_api.charges),
    path("v1/charges/ch_<int:pk>", stripe_api.charge),
    path("unguarded/v1/customers", stripe_api.unguarded_customers),
    path("unguarded/v1/charges", stripe_api.unguarded_charges),
    *staticfiles_urlpatterns(),  # for the admin pages; empty without SHOP_DEBUG=1
]
