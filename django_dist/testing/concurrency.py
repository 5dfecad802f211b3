"""What versions and guarded amounts are promised to do, over a database of yours.

class MyTests(ConcurrencyConformance, TransactionTestCase):
    database = "default"
"""

from .amounts import Amounts, ManyAmounts
from .composite import Composite
from .rollbacks import Rollbacks
from .versions import Versions
from .write_paths import WritePaths


class ConcurrencyConformance(Amounts, ManyAmounts, Versions, WritePaths, Rollbacks, Composite):
    """Mix this into a TransactionTestCase."""
