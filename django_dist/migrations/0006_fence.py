"""The sequence that advisory locks on PostgreSQL take their fences from."""

from typing import Any

from django.db import migrations


def make(apps: Any, editor: Any) -> None:
    """Make it, on PostgreSQL."""
    if editor.connection.vendor == "postgresql":
        editor.execute("CREATE SEQUENCE IF NOT EXISTS django_dist_fence")


def drop(apps: Any, editor: Any) -> None:
    """Drop it."""
    if editor.connection.vendor == "postgresql":
        editor.execute("DROP SEQUENCE IF EXISTS django_dist_fence")


class Migration(migrations.Migration):
    """No table."""

    dependencies = [("django_dist", "0005_lock")]

    operations = [migrations.RunPython(make, drop, elidable=False)]
