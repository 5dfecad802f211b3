"""A logout between every two commands that an operation sends to Redis: what has ended is never there again."""

import uuid
from contextlib import contextmanager, suppress
from unittest.mock import patch

from django.contrib.sessions.backends.base import UpdateError
from django.test import TransactionTestCase
from redis.asyncio.connection import Connection as AsyncConnection
from redis.connection import Connection

from django_dist.idempotency.redis_scripts import Script
from django_dist.sessions import redis_calls
from django_dist.testing.session_harness import SessionHarness
from services import needs

from .test_redis import Own

SCRIPTS = ("READ", "INSERT", "UPDATE", "RENAME", "TOUCH", "DELETE")


def save(session):
    session["b"] = 1
    session.save()


def save_unseen(session):
    session.clear()
    session["b"] = 1
    session.save()


def add(session):
    session.increment("n")
    session.save()


def overtaken(session):
    """Save what another has changed meanwhile: it is merged by a second try."""
    session.get("a")
    other = type(session)(session.session_key)
    other["other"] = 1
    other.save()
    save(session)


def login(session):
    session["_auth_user_id"] = "9"
    session.cycle_key()


def touch(session):
    session.get("a")
    session.touch()


def cycle(session):
    session.cycle_key()


def flush(session):
    session.flush()


OPERATIONS = [save, save_unseen, add, overtaken, touch, cycle, flush, login]


@contextmanager
def before(commands):
    """Call the next of ``commands`` before each script that is sent."""

    def telling(send):
        def sending(self, command, *args, **keywords):
            packed = command if isinstance(command, bytes) else b"".join(command)
            if b"\r\nEVAL" in packed:
                next(commands, lambda: None)()
            return send(self, command, *args, **keywords)

        return sending

    kinds = (Connection, AsyncConnection)
    sends = [patch.object(kind, "send_packed_command", telling(kind.send_packed_command)) for kind in kinds]
    with sends[0], sends[1]:
        yield


@contextmanager
def unknown_scripts():
    """Let Redis know none of the scripts, so that each is sent twice."""
    fresh = {name: Script(f"{getattr(redis_calls, name).text}\n-- {uuid.uuid4()}") for name in SCRIPTS}
    with patch.multiple(redis_calls, **fresh):
        yield


class Deletes(Own, SessionHarness):
    def end_of(self, key):
        """End the session of ``key`` as a logout does, past the client that is watched."""
        self.server.eval(redis_calls.DELETE.text, 1, self.key(key), "")

    def run_with(self, operation, commands):
        """Run ``operation`` on a session anew; return its key, and the session."""
        key = self.saved(a=1, _auth_user_id="7")
        session = self.store(key)
        with unknown_scripts(), before(commands(key)), suppress(UpdateError):
            operation(session)
        return key, session

    def number_of_commands(self, operation):
        sent = []
        self.run_with(operation, lambda key: iter(lambda: lambda: sent.append(1), None))
        return len(sent)

    def deleting_before(self, place):
        """Return what deletes the session before the command at ``place``, and does nothing before the others."""

        def commands(key):
            for number in range(place + 1):
                yield (lambda: self.end_of(key)) if number == place else (lambda: None)

        return commands

    def test_what_was_ended_between_two_commands_stays_so(self):
        for operation in OPERATIONS:
            number = self.number_of_commands(operation)
            self.assertGreaterEqual(number, 2 if operation is not flush else 1, operation)
            for place in range(number):
                with self.subTest(operation.__name__, place=place, of=number):
                    self.empty()
                    key, session = self.run_with(operation, self.deleting_before(place))
                    self.assertFalse(self.server.exists(self.key(key)))
                    self.assertEqual(self.now(key), {})
                    self.assertEqual(self.store.place.listed("7"), [])
                    found = self.now(session.session_key)  # what begins after the end is another session
                    self.assertEqual(found.get("_auth_user_id"), "9" if operation is login else None)
                    self.assertTrue(operation is login or "a" not in found)


@needs("redis")
class SyncTests(Deletes, TransactionTestCase):
    pass


@needs("redis")
class AsyncTests(Deletes, TransactionTestCase):
    asynchronous = True
