"""Every behaviour that a store of locks and its leases are promised, over a store of yours.

class MyTests(LockConformance, SimpleTestCase):
    def make_backend(self):
        return MyLocks(alias="test")
"""

from .lock_grants import Grants
from .lock_leases import Leases
from .lock_owners import Owners
from .lock_tasks import Tasks
from .lock_waiting import Waiting


class LockConformance(Grants, Leases, Owners, Waiting, Tasks):
    """Mix this into a SimpleTestCase, or for a store in a database a TransactionTestCase; see LockHarness."""
