"""The tables of sessions."""

import django_dist.models
from django.db import migrations, models


class Migration(migrations.Migration):
    """Sessions, and what logins hold in turn."""

    dependencies = [("django_dist", "0003_dedupe")]

    operations = [
        migrations.CreateModel(
            name="StoredSession",
            fields=[
                ("digest", django_dist.models.DigestField(editable=False, primary_key=True, serialize=False)),
                ("version", models.BigIntegerField(editable=False)),
                ("data", models.BinaryField()),
                ("user_id", models.CharField(editable=False, max_length=64, null=True)),
                ("created_at", models.DateTimeField(editable=False)),
                ("seen_at", models.DateTimeField(editable=False)),
                ("expires_at", models.DateTimeField(db_index=True, editable=False)),
                ("ip", models.CharField(editable=False, max_length=39, null=True)),
                ("agent", models.CharField(editable=False, max_length=200, null=True, verbose_name="user agent")),
            ],
            options={
                "verbose_name": "session",
                "db_table": "django_dist_session",
                "indexes": [models.Index(fields=["user_id"], name="django_dist_session_user")],
            },
        ),
        migrations.CreateModel(
            name="SessionLatch",
            fields=[("slot", models.SmallIntegerField(editable=False, primary_key=True, serialize=False))],
            options={"db_table": "django_dist_session_latch"},
        ),
    ]
