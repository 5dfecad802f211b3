"""Settings of the example shop, for one's own machine only: the secret key is public.

DATABASE_URL names the database (default: a SQLite file below var/), SHOP_BANK the file of the
pretend bank, SHOP_DEBUG=1 turns on Django's error pages.
"""

import os
from pathlib import Path

import dj_database_url

from shop.databases import tune

BASE_DIR = Path(__file__).resolve().parent.parent
VAR = BASE_DIR / "var"
VAR.mkdir(exist_ok=True)

SECRET_KEY = "only-for-the-example"  # every worker must have the same one
DEBUG = os.environ.get("SHOP_DEBUG") == "1"
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_dist",  # 1. the table of requests
    "store",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django_dist.sessions.SessionMiddleware",  # in the place of Django's: overlapping requests lose no key
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_dist.idempotency.IdempotencyMiddleware",  # 2. last, so after authentication
]  # 3. @idempotent on the view: store/views/. That is all.

DATABASES = {
    "default": tune(dj_database_url.parse(os.environ.get("DATABASE_URL") or f"sqlite:///{VAR / 'shop.sqlite3'}"))
}
SESSION_ENGINE = "django_dist.sessions.database"
DIST_SESSIONS = {"default": {"OPTIONS": {"record_ip": "truncated", "record_user_agent": True}}}  # for /devices
LOGIN_URL, LOGIN_REDIRECT_URL = "login", "devices"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES["default"]["CONN_MAX_AGE"] = int(os.environ.get("SHOP_CONN_MAX_AGE", "0"))
BANK_FILE = os.environ.get("SHOP_BANK", str(VAR / "bank.sqlite3"))

ROOT_URLCONF = "shop.urls"
STATIC_URL = "static/"
USE_TZ = True
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
