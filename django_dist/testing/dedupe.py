"""Every behaviour that a claim and a handler under ``@once`` are promised, over a database of yours.

class MyTests(DedupeConformance, TransactionTestCase):
    database = "default"
"""

from .claims import Claims, Expiry
from .coroutines import Coroutines
from .crowds import Crowds
from .handlers import Handlers


class DedupeConformance(Claims, Expiry, Crowds, Handlers):
    """Mix this into a TransactionTestCase; see DedupeHarness for what a subclass may set."""


class AsyncDedupeConformance(Coroutines, Handlers):
    """The behaviours of handlers once more, for coroutine functions, and what is theirs alone."""

    asynchronous = True
