"""The tables of the reference equal the code, and leave nothing of it out."""

import importlib.util
from pathlib import Path

import pytest

from django_dist.models import DedupeEntry, RequestRecord, StoredLock, StoredSession
from docs.reading import DOCS, name_of

_spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
assert _spec is not None
assert _spec.loader is not None
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


@pytest.mark.parametrize("page", generate.pages(), ids=name_of)
def test_tables_equal_the_code(page: Path) -> None:
    text = page.read_text()
    assert generate.rendered(text) == text, "run python docs/generate.py"


def test_every_table_is_on_a_page() -> None:
    used = {name for page in generate.pages() for _, name, _ in generate.PART.findall(page.read_text())}
    assert used == set(generate.PARTS)


@pytest.mark.parametrize("name", sorted(generate.PARTS))
def test_no_table_is_empty(name: str) -> None:
    assert len(generate.PARTS[name]().splitlines()) > 2


def test_every_column_of_the_table_is_explained() -> None:
    text = (DOCS / "explanation" / "sizes.md").read_text()
    for model in (RequestRecord, DedupeEntry, StoredSession, StoredLock):
        for field in model._meta.get_fields():
            assert f"`{field.name}`" in text
