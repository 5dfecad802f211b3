"""Django's own tests of sessions, from the source archive of the Django that is installed; nothing is copied here."""

import fcntl
import importlib
import subprocess
import sys
import tarfile
import types
from functools import cache
from pathlib import Path

import django
from django.contrib.sessions.backends.db import SessionStore

FOLDER = Path(sys.prefix) / "django-source"


@cache
def session_tests():
    """Return Django's module of session tests; raises OSError where its source cannot be had."""
    name = f"django-{django.get_version()}"
    place = FOLDER / name / "tests"
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / "lock").open("w") as lock:  # several workers of pytest come here at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            _download(name)
    package = types.ModuleType("sessions_tests")
    package.__path__ = [str(place / "sessions_tests")]
    # Its own model needs an installed app, for engines that are none of ours.
    models = types.ModuleType("sessions_tests.models")
    models.SessionStore = SessionStore
    sys.modules.update({"sessions_tests": package, "sessions_tests.models": models})
    return importlib.import_module("sessions_tests.tests")


def _download(name):
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
    found = subprocess.run(
        [*command, f"django=={django.get_version()}", "-d", FOLDER], capture_output=True, text=True, check=False
    )
    if found.returncode:
        raise OSError(f"the source of Django cannot be had: {found.stderr[-500:]}")
    archive = next(FOLDER.glob(f"[Dd]jango-{django.get_version()}.tar.gz"))
    with tarfile.open(archive) as packed:
        members = [member for member in packed.getmembers() if "/tests/sessions_tests/" in member.name]
        # Python 3.14 does so by itself, and the oldest do not know of it.
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        for member in members:
            member.name = "/".join([name, *member.name.split("/")[1:]])
            packed.extract(member, FOLDER, **safely)
