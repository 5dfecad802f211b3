"""Nobody's update is lost: versions that every write checks, and amounts that never leave their limits."""

from .compare import Change, compare
from .etag import check_match, conditional, etag, with_etag
from .field import VersionField
from .guarded import GuardedModel
from .many import agive_many, atake_many, give_many, take_many
from .queryset import ConcurrentManager, ConcurrentQuerySet
from .retry import retry_on_conflict
from .unchecked import unchecked
from .versioned import VersionedModel

__all__ = [
    "Change",
    "ConcurrentManager",
    "ConcurrentQuerySet",
    "GuardedModel",
    "VersionField",
    "VersionedModel",
    "agive_many",
    "atake_many",
    "check_match",
    "compare",
    "conditional",
    "etag",
    "give_many",
    "retry_on_conflict",
    "take_many",
    "unchecked",
    "with_etag",
]
