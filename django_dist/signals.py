"""What happened to a request: receivers get ``request``, ``digest``, ``view`` and ``took``, never the key or a body.

``took`` is how many seconds the claim took, a wait for another try of the request included.
"""

from typing import Final

from django.dispatch import Signal

#: The request holds its digest and the view is about to run.
request_claimed: Final = Signal()
#: The view's answer is recorded and its writes have lasted; also ``status``.
request_finished: Final = Signal()
#: The request was answered from the record; also ``status``.
request_replayed: Final = Signal()
#: The request was refused; also ``error``, an IdempotencyError. ``digest`` is None before a key was read.
request_refused: Final = Signal()

#: A session was too large for its cookie and was not kept (on_overflow="refuse"); ``error``, a CookieTooLarge.
session_cookie_refused: Final = Signal()

#: A copy of sessions was found to fail, or to answer again: ``replica``, ``is_up``; once for each change and process.
session_replica_changed: Final = Signal()

#: A lock was acquired: ``name``, ``fence``, and the seconds that were ``waited``; the sender is the store's class.
lock_acquired: Final = Signal()
#: A lock was released: ``name``, ``fence``, and how many seconds it was ``held``.
lock_released: Final = Signal()
#: A lock was lost before its release, told once and on a thread of its own: ``name``, ``fence``, ``held``.
lock_lost: Final = Signal()
