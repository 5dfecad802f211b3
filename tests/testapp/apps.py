"""The test site as Django knows it."""

from django.apps import AppConfig


class TestAppConfig(AppConfig):
    """The app of the tests, which no wheel holds."""

    name = "testapp"
