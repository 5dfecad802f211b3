"""The table of locks."""

import django_dist.models
from django.db import migrations, models


class Migration(migrations.Migration):
    """A row a lock."""

    dependencies = [("django_dist", "0004_session")]

    operations = [
        migrations.CreateModel(
            name="StoredLock",
            fields=[
                ("digest", django_dist.models.DigestField(editable=False, primary_key=True, serialize=False)),
                ("name", models.BinaryField()),
                ("owner", models.CharField(editable=False, max_length=200, null=True)),
                ("fence", models.BigIntegerField(editable=False)),
                ("taken_at", models.DateTimeField(editable=False)),
                ("expires_at", models.DateTimeField(editable=False)),
            ],
            options={"verbose_name": "lock", "db_table": "django_dist_lock"},
        ),
    ]
