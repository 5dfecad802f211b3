"""Run the Python blocks of one page, in order, in one namespace, in a project made for it: run_page.py PAGE DIRECTORY.

A process of its own a page, so that its settings, models and URLs touch no other.
"""

import ast
import os
import re
import sys
import types
import unittest
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from reading import Block, blocks, name_of

#: The first line of a block that older versions of Django cannot run.
SINCE = re.compile(r"# Django (\d+)\.(\d+) and later\n")
DJANGO_APPS = [f"django.contrib.{name}" for name in ("admin", "auth", "contenttypes", "messages", "sessions")]


def main(page: Path, directory: Path) -> None:
    """Run ``page``; what is wrong is raised."""
    configure(directory)
    warnings.filterwarnings("error", module=r"page$|django_dist\b")  # what a library warns itself of is its own
    module = types.ModuleType("page")
    sys.modules["page"] = module
    for block in blocks(page, "python"):
        if (wanted := SINCE.match(block.text)) and (int(wanted[1]), int(wanted[2])) > django.VERSION:
            print(f"not run on Django {django.get_version()}: {name_of(page)}, line {block.line}")
            continue
        code = "\n" * (block.line - 1) + block.text
        if is_settings(block):
            check_settings(block)
            continue
        exec(compile(code, name_of(page), "exec"), vars(module))
    run_tests(module)

    import followed

    follow_up = getattr(followed, f"after_{page.stem.replace('-', '_').lower()}", None)
    if follow_up is not None:
        follow_up(module)


def configure(directory: Path) -> None:
    """Set up a project as the pages suppose one."""
    settings.configure(
        SECRET_KEY="docs",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF="page",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
        DATABASES={
            alias: {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": directory / f"{alias}.sqlite3",
                "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA synchronous=OFF"},
            }
            for alias in ("default", "ledger")
        },
        INSTALLED_APPS=[*DJANGO_APPS, "django_dist", "shop"],
        MIGRATION_MODULES=dict.fromkeys([app.rpartition(".")[2] for app in DJANGO_APPS]),  # their tables at once
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django_dist.idempotency.IdempotencyMiddleware",
        ],
    )
    django.setup()
    call_command("migrate", verbosity=0, run_syncdb=True)


def is_settings(block: Block) -> bool:
    """Return whether ``block`` is a piece of a settings module: assignments to names in capitals alone."""
    return all(
        isinstance(node, ast.Assign) and all(ast.unparse(target).split("[")[0].isupper() for target in node.targets)
        for node in ast.parse(block.text).body
    )


def check_settings(block: Block) -> None:
    """Check a piece of settings against what reads them; ``...`` in a list stands for what is there already."""
    names: dict[str, Any] = {"os": os, "DATABASES": {"default": {}}}
    exec(block.text, names)
    for alias, entry in names["DATABASES"].items():
        check_database(alias, entry)
    for dotted in names.get("MIDDLEWARE", []):
        if dotted is not ...:
            assert django.utils.module_loading.import_string(dotted), dotted
    apps = [name for name in names.get("INSTALLED_APPS", []) if name is not ...]
    assert {"django_dist"} >= set(apps), apps
    if "DIST_IDEMPOTENCY" in names:
        check_policies(names["DIST_IDEMPOTENCY"], names.get("CACHES", settings.CACHES))


def check_database(alias: str, entry: dict[str, Any]) -> None:
    """Build the connection's parameters from ``entry``, without a server."""
    from django.db.utils import ConnectionHandler

    if entry.get("ENGINE", "").endswith("mysql"):
        with suppress(ImportError):  # it takes the place of mysqlclient where that does not build
            __import__("pymysql").install_as_MySQLdb()
    engine = {"ENGINE": "django.db.backends.sqlite3", "NAME": "x"}
    handler = ConnectionHandler({"default": engine, alias: {**engine, **entry}})
    handler[alias].get_connection_params()


def check_policies(entries: dict[str, Any], caches: dict[str, Any]) -> None:
    """Build store and policy of every alias."""
    from django.test import override_settings

    from django_dist.idempotency.policy import make_policy, site_keywords
    from django_dist.idempotency.registry import requests

    with override_settings(DIST_IDEMPOTENCY=entries, CACHES=caches):
        for alias in entries:
            assert requests[alias]
            assert make_policy(alias, site_keywords(alias))


def run_tests(module: types.ModuleType) -> None:
    """Run the test cases that a page defines; of a conformance suite, the first behaviours of each part."""
    cases = [case for case in vars(module).values() if isinstance(case, type) and issubclass(case, unittest.TestCase)]
    suite = unittest.TestSuite()
    for case in cases:
        if case.__module__ == module.__name__:
            names = unittest.defaultTestLoader.getTestCaseNames(case)
            suite.addTests(case(name) for name in (names if len(names) < 20 else names[::20]))
    result = unittest.TextTestRunner(stream=sys.stderr).run(suite)
    assert result.wasSuccessful()
    sys.stderr.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
