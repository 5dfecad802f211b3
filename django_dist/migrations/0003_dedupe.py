"""The dedupe table."""

import django_dist.models
from django.db import migrations, models


class Migration(migrations.Migration):
    """A table of its own."""

    dependencies = [("django_dist", "0002_lease")]

    operations = [
        migrations.CreateModel(
            name="DedupeEntry",
            fields=[
                ("digest", django_dist.models.DigestField(editable=False, primary_key=True, serialize=False)),
                ("claimed_at", models.DateTimeField(editable=False)),
                ("expires_at", models.DateTimeField(db_index=True, editable=False, null=True)),
                ("repeated", models.BooleanField(default=False, editable=False)),
                ("scope", models.CharField(editable=False, max_length=100)),
                ("result", models.TextField(editable=False, null=True)),
            ],
            options={
                "verbose_name": "dedupe entry",
                "verbose_name_plural": "dedupe entries",
                "db_table": "django_dist_dedupe",
            },
        ),
    ]
