"""Settings from the environment: LEDGER_DATABASE is JSON, LEDGER_SCRATCH a folder for notes."""

import json
import os

try:
    import MySQLdb  # noqa: F401
except ImportError:  # where mysqlclient could not be built
    import pymysql

    pymysql.version_info = (2, 2, 1, "final", 0)  # the version of mysqlclient that Django asks for
    pymysql.install_as_MySQLdb()

DATABASES = {"default": json.loads(os.environ["LEDGER_DATABASE"])}
if "LEDGER_STORE" in os.environ:  # the entry of a store that is not the database
    DIST_IDEMPOTENCY = {"default": json.loads(os.environ["LEDGER_STORE"])}
if "LEDGER_CACHES" in os.environ:
    CACHES = json.loads(os.environ["LEDGER_CACHES"])
SCRATCH = os.environ["LEDGER_SCRATCH"]
SECRET_KEY = "of a ledger that lives for one test run"
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["django_dist", "ledger"]
MIDDLEWARE = ["ledger.middleware.Outermost", "django_dist.idempotency.IdempotencyMiddleware"]
if "LEDGER_SESSIONS" in os.environ:
    kept = json.loads(os.environ["LEDGER_SESSIONS"])
    MIDDLEWARE.insert(1, "django_dist.sessions.SessionMiddleware")
    SESSION_ENGINE = kept["engine"]
    DIST_SESSIONS = {"default": {"OPTIONS": kept["options"]}}
if "LEDGER_REPLICA" in os.environ:
    DATABASES["replica"] = json.loads(os.environ["LEDGER_REPLICA"])
    DATABASE_ROUTERS = ["ledger.visits.ReplicaReads"]
ROOT_URLCONF = "ledger.urls"
WSGI_APPLICATION = "ledger.wsgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates"}]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["stderr"], "level": "ERROR"},
}
