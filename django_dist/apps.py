"""The one Django app of the package; its label is in every table name and check id."""

from django.apps import AppConfig


class DjangoDistConfig(AppConfig):
    """Register the models, the admin and the system checks of django_dist."""

    name = "django_dist"
    verbose_name = "Distributed requests"

    def ready(self) -> None:
        """Import what registers itself with Django."""
        from . import checks  # noqa: F401  (registers the checks)
