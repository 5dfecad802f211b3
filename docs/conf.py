"""The build of these pages: sphinx-build -W docs OUT."""

from importlib.util import find_spec

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="docs",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_dist"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()

import django_dist  # noqa: E402

project = "django_dist"
author = "django_dist contributors"
copyright = "2026, django_dist contributors"
version = release = django_dist.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
html_theme = "furo" if find_spec("furo") else "alabaster"
