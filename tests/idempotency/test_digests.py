"""Digests: one UUID a list of parts, in a form that every database takes."""

import uuid

import pytest
from django.db import connections

from django_dist.idempotency.digests import digest_of
from services import needs

MANY = [digest_of(["request", str(number)]) for number in range(1000)]


def test_parts_are_told_apart():
    lists = [["ab", "c"], ["a", "bc"], ["abc"], ["a", "b", "c"], ["", "abc"], ["abc", ""], []]
    assert len({digest_of(parts) for parts in lists}) == len(lists)
    assert digest_of(["a"]) == digest_of([b"a"])


def test_digest_is_a_uuid_of_version_8():
    assert {(digest.version, digest.variant) for digest in MANY} == {(8, uuid.RFC_4122)}
    assert len(set(MANY)) == len(MANY)


@needs("mysql")
@pytest.mark.django_db(databases=["default", "mysql"])
def test_mariadbs_uuid_takes_every_digest():
    """It refuses one of version 8 whose variant byte is 0x80: one digest in 64."""
    connection = connections["mysql"]
    if not connection.features.has_native_uuid_field:
        pytest.skip("digests are kept as text")
    with connection.cursor() as cursor:
        for digest in MANY:
            cursor.execute("SELECT CAST(%s AS UUID)", [str(digest)])
            assert uuid.UUID(str(cursor.fetchone()[0])) == digest
