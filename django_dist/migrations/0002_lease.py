"""What mode "lease" keeps of a request that has not finished."""

from typing import Any

from django.db import migrations, models

INDEX = "django_dist_request_leased"


def add_index(apps: Any, editor: Any) -> None:
    """Index what is leased and nothing else: the records of ``atomic`` mode, which are many, pay nothing."""
    only = "" if editor.connection.vendor == "mysql" else " WHERE leased_until IS NOT NULL"
    editor.execute(f"CREATE INDEX {INDEX} ON django_dist_request (leased_until){only}")


def remove_index(apps: Any, editor: Any) -> None:
    """Undo add_index()."""
    on = " ON django_dist_request" if editor.connection.vendor == "mysql" else ""
    editor.execute(f"DROP INDEX {INDEX}{on}")


class Migration(migrations.Migration):
    """Columns that may be NULL: quick on a table of any size."""

    dependencies = [("django_dist", "0001_initial")]

    operations = [
        migrations.AddField("requestrecord", "owner", models.UUIDField(editable=False, null=True)),
        migrations.AddField("requestrecord", "leased_until", models.DateTimeField(editable=False, null=True)),
        migrations.AddField("requestrecord", "attempts", models.PositiveSmallIntegerField(editable=False, null=True)),
        migrations.AddField("requestrecord", "steps", models.TextField(editable=False, null=True)),
        migrations.AddField("requestrecord", "kept", models.BinaryField(null=True)),
        migrations.AlterField(
            "requestrecord",
            "state",
            models.PositiveSmallIntegerField(
                choices=[
                    (0, "running"),
                    (1, "finished"),
                    (2, "finished, answer not kept"),
                    (3, "held for an operator"),
                ],
                default=1,
                editable=False,
            ),
        ),
        migrations.RunPython(add_index, remove_index, atomic=False),
    ]
