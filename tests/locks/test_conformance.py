"""The suite of locks over every store."""

from django.test import SimpleTestCase

from django_dist.locks.memory import MemoryLocks
from django_dist.testing.locks import LockConformance


class MemoryTests(LockConformance, SimpleTestCase):
    def make_backend(self):
        return MemoryLocks(alias="test")
