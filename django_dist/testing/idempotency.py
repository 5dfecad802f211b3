"""Every behaviour that a request under a key is promised, over a backend of yours: one suite for each mode.

class MyTests(IdempotencyConformance, TransactionTestCase):
    database = "default"
"""

from .answers import Answers
from .bodies import Uploads
from .keys import Keys
from .lease_losses import LeaseLosses
from .lease_orders import LeaseOrders
from .leases import LastWrites, Leases
from .losses import Losses
from .notices import Notices
from .outcomes import Outcomes, Sites
from .races import Races
from .scopes import Sameness, Scopes
from .steps import Steps, StepsInAtomicMode
from .streams import Streams


class IdempotencyConformance(
    Answers, Keys, Scopes, Sameness, Uploads, Streams, Races, Outcomes, Losses, Sites, Notices, StepsInAtomicMode
):
    """Mode ``atomic``. Mix this into a TransactionTestCase; see Harness for what a subclass may set."""


class LeaseConformance(Leases, Steps, LeaseLosses, LeaseOrders):
    """Mode ``lease``: leases, steps, losses. See IdempotencyConformance, and LeaseHarness for what to set beyond."""


class LastWritesConformance(LastWrites, Answers, Keys, Scopes, Sameness, Uploads):
    """Mode ``lease``: all that does not differ by the mode. See LeaseConformance."""
