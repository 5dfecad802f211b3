"""IdempotencyConformance: every behaviour that a request under a key is promised, over a backend of yours.

class MyTests(IdempotencyConformance, TransactionTestCase):
    database = "default"
"""

from .answers import Answers
from .bodies import Streams, Uploads
from .keys import Keys
from .notices import Notices
from .outcomes import Outcomes, Sites
from .races import Races
from .scopes import Sameness, Scopes


class IdempotencyConformance(Answers, Keys, Scopes, Sameness, Uploads, Streams, Races, Outcomes, Sites, Notices):
    """Mix this into a TransactionTestCase; see Harness for what a subclass may set."""
