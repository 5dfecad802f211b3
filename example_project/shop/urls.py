"""The addresses of the shop: what is guarded, and the same without the guard below /unguarded/."""

from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import path

from store.views import devices, orders, pages, stripe_api

urlpatterns = [
    path("", pages.index),
    path("state", pages.state),
    path("health", pages.health),
    path("admin/", admin.site.urls),
    path("login", LoginView.as_view(template_name="store/login.html"), name="login"),
    path("devices", devices.devices, name="devices"),
    path("devices/log-out", devices.log_out_one, name="log-out-one"),
    path("devices/log-out-others", devices.log_out_others, name="log-out-others"),
    path("devices/log-out-everywhere", devices.log_out_everywhere, name="log-out-everywhere"),
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
