"""Django settings of the tests: SQLite in a file, and whatever other database is there."""

import os
from importlib.util import find_spec

import services

DATABASES = {"default": services.database("sqlite")}
for name in ("postgres", "mysql"):
    if services.url(name):
        DATABASES[name] = services.database(name)
if chosen := os.environ.get("DIST_TEST_DEFAULT"):
    if chosen not in DATABASES:
        raise RuntimeError(f"DIST_TEST_DEFAULT={chosen}: no such store here; found {sorted(DATABASES)}")
    DATABASES["default"] = DATABASES[chosen]

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
for name in ("redis", "valkey"):
    if services.url(name):
        CACHES[name] = services.cache_entry(name)

SECRET_KEY = "a key for the tests alone, of fifty characters and more"
USE_TZ = True
ALLOWED_HOSTS = ["*"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "testapp.urls"
STATIC_URL = "/static/"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    *(["rest_framework"] if find_spec("rest_framework") else []),
    "django_dist",
    "testapp",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_dist.idempotency.IdempotencyMiddleware",
]
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
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
