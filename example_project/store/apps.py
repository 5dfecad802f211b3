"""The app's entry for INSTALLED_APPS."""

from django.apps import AppConfig


class StoreConfig(AppConfig):
    """The shop's tables and pages."""

    name = "store"
