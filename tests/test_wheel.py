"""What is tested is what users install: the wheel, and nothing of the checkout beside it."""

import os
import zipfile
from pathlib import Path

import pytest

import django_dist

CHECKOUT = Path(__file__).parent.parent

pytestmark = pytest.mark.skipif(
    bool(os.environ.get("DIST_TEST_EDITABLE")), reason="DIST_TEST_EDITABLE: the checkout itself is tested"
)


def test_the_installed_package_is_under_test() -> None:
    place = Path(django_dist.__file__)
    assert "site-packages" in place.parts
    assert place.parent != CHECKOUT / "django_dist"


def test_the_installed_package_is_the_checkout_s() -> None:
    installed = Path(django_dist.__file__).parent
    assert _modules(installed) == _modules(CHECKOUT / "django_dist"), "not what was installed; run make"


def _modules(package: Path) -> dict[str, bytes]:
    return {
        str(module.relative_to(package)): module.read_bytes()
        for kind in ("*.py", "*.html")
        for module in package.rglob(kind)
    }


def test_the_wheel_holds_the_package_alone() -> None:
    wheels = sorted((CHECKOUT / "dist").glob("*.whl"))
    if not wheels:
        pytest.skip("no wheel in dist: make builds one, tox keeps its own")
    names = zipfile.ZipFile(wheels[-1]).namelist()
    outside = [name for name in names if not name.startswith(("django_dist/", "django_dist-"))]
    assert outside == []
    template = "django_dist/templates/django_dist/admin/change_form.html"
    for needed in ("django_dist/py.typed", "django_dist/migrations/0001_initial.py", template):
        assert needed in names
