"""Fill an empty shop, and give its admin pages a new password."""

import secrets
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand

from store.stock import fill


class Command(BaseCommand):
    """Safe to run at every start."""

    help = "Fills an empty shop and prints a new password for the user 'admin'."

    def handle(self, **options: Any) -> None:
        """Print the password, and nothing else, to stdout."""
        fill()
        password = secrets.token_urlsafe(9)
        user, _ = User.objects.get_or_create(username="admin", defaults={"is_staff": True, "is_superuser": True})
        user.set_password(password)
        user.save()
        self.stdout.write(password)
