"""The project for uvicorn; it notes when a worker is warm, so that no test measures imports."""

import os
from importlib import import_module

from django.core.asgi import get_asgi_application
from django.db import connections
from django.template import engines

from .notes import note

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ledger.settings")
application = get_asgi_application()
import_module("ledger.urls")
engines.all()
connections["default"]  # Django imports the driver
note("warm", "worker")
