"""Locks in Redis and Valkey: turns, wake-ups, lost answers, servers that stop, forget or are another."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from unittest.mock import patch
from uuid import uuid4

from django.test import SimpleTestCase, override_settings
from redis import Redis

from django_dist.exceptions import BackendUnavailable, InvalidBackend, LockLost, LockTimeout
from django_dist.locks import lock, redis
from django_dist.locks.redis import RedisLocks
from django_dist.locks.redis_scripts import KEPT_S, LEAVE
from operations.redis_servers import port_of, serving
from processes.clients import until
from processes.proxy import Proxy
from services import cache_entry, needs, url

CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
PATIENCE_S = 15
MANY = 100_000
#: Waits for a lock, says so, holds it for as long as it is let, and counts what it sends.
WAITER = """
import sys, django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django_dist"], CACHES={"default": {
    "BACKEND": "django_redis.cache.RedisCache", "LOCATION": sys.argv[1]}})
django.setup()
from django_dist.locks import lock, redis
from django_dist.locks.redis import RedisLocks
locks = RedisLocks(alias="test", prefix=sys.argv[2])
print("waiting", flush=True)
with lock("a", using=locks, ttl=float(sys.argv[3]), wait=60) as lease:
    print(lease.fence, flush=True)
    sys.stdin.read()
"""


@contextmanager
def redis_at(port, **options):
    """Let the alias ``own`` be a server of the test's."""
    entry = {**cache_entry("redis"), "LOCATION": f"redis://127.0.0.1:{port}/0"}
    entry["OPTIONS"] = {**entry["OPTIONS"], **options}
    with override_settings(CACHES={**CACHES, "own": entry}):
        yield


@contextmanager
def process(*given):
    """Run WAITER in a process of its own."""
    path = os.pathsep.join(sys.path)
    with subprocess.Popen(
        [sys.executable, "-c", WAITER, *map(str, given)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as started:
        try:
            assert started.stdout.readline() == "waiting\n"
            yield started
        finally:
            started.kill()


@needs("redis")
class RedisTests(SimpleTestCase):
    def setUp(self):
        self.prefix = f"test:{uuid4().hex}:"
        self.locks = self.another()
        self.client = Redis.from_url(url("redis"))
        self.addCleanup(self.client.close)

    def another(self):
        return RedisLocks(alias="test", connection="redis", prefix=self.prefix)

    def queue(self):
        """Return who waits, as Redis has it."""
        return self.client.zrange(f"{self.prefix}queue:a", 0, -1)

    def waits(self, locks, entered, **options):
        """Wait on a thread; note who entered."""

        def work():
            with lock("a", using=locks, **{"wait": PATIENCE_S, **options}) as lease:
                entered.append((locks, lease.fence))

        before = len(self.queue())
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        until(lambda: len(self.queue()) > before, "it stands in the queue")
        return thread

    def test_acquire_and_release_are_one_script_each(self):
        with patch("django_dist.locks.redis.run", side_effect=redis.run) as sent:
            with lock("a", using=self.locks):
                self.assertEqual(sent.call_count, 1)
            self.assertEqual(sent.call_count, 2)

    def test_who_waits_comes_in_turn_and_nobody_gets_in_between(self):
        entered, threads = [], []
        with lock("a", using=self.locks):
            others = [self.another() for _ in range(5)]
            threads += [self.waits(other, entered) for other in others]
            self.assertEqual(self.locks.holders()[0].waiting, 5)
        with self.assertRaises(LockTimeout), lock("a", using=self.another(), wait=0):
            pass  # it was granted before
        for thread in threads:
            thread.join(PATIENCE_S)
        self.assertEqual([locks for locks, _ in entered], others)
        fences = [fence for _, fence in entered]
        self.assertEqual(fences, sorted(set(fences)))
        self.assertEqual(self.locks.holders(), [])

    def test_who_waits_asks_seldom(self):
        self.locks.try_acquire("a", "one", 60)
        other = self.another()
        with patch.object(other, "_run", side_effect=other._run) as asked:
            self.waits(other, [])
            before = asked.call_count
            threading.Event().wait(1.5)  # of waiting
            self.assertLessEqual(asked.call_count - before, 2)
        self.locks.release("a", "one", None)

    def test_who_waits_is_told(self):
        entered = []
        fence = self.locks.try_acquire("a", "one", 60).fence
        with patch.object(redis, "TOLD_S", 60.0):  # so that nobody asks
            thread = self.waits(self.another(), entered, wait=60)
            self.locks.release("a", "one", fence)
            thread.join(PATIENCE_S)
        self.assertEqual(len(entered), 1)

    def test_tasks_come_in_turn(self):
        entered = []

        async def enter(number, locks):
            async with lock("a", using=locks, wait=PATIENCE_S):
                entered.append(number)

        async def work():
            tasks = []
            async with lock("a", using=self.locks):
                for number in range(4):
                    tasks.append(asyncio.create_task(enter(number, self.another())))
                    while len(self.queue()) <= number:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
            await asyncio.gather(*tasks)

        asyncio.run(work())
        self.assertEqual(entered, [0, 1, 2, 3])

    def test_who_gives_up_leaves_the_queue(self):
        with lock("a", using=self.locks):
            with self.assertRaises(LockTimeout), lock("a", using=self.another(), wait=0.3):
                self.fail("two holders")
            self.assertEqual(self.queue(), [])

    def test_grant_to_who_has_just_given_up_is_freed(self):
        fence, other = self.locks.try_acquire("a", "one", 60).fence, self.another()
        real = other.leave

        def late(name, waiter):
            self.locks.release("a", "one", fence)  # it is granted to who leaves
            until(lambda: self.locks.holders(), "it is granted")
            real(name, waiter)

        with patch.object(other, "leave", late), self.assertRaises(LockTimeout), lock("a", using=other, wait=0.3):
            self.fail("it has given up")
        self.assertEqual(self.locks.holders(), [])

    def test_grant_to_who_could_not_say_that_he_left_is_freed_when_it_is_told(self):
        fence, other = self.locks.try_acquire("a", "one", 60).fence, self.another()
        real = other._run

        def cut(call):
            if call[0] is LEAVE:
                raise BackendUnavailable("the line was cut")
            return real(call)

        with patch.object(other, "_run", cut), self.assertRaises(LockTimeout), lock("a", using=other, wait=0.3):
            self.fail("two holders")
        self.assertEqual(len(self.queue()), 1)
        self.locks.release("a", "one", fence)
        until(lambda: not self.locks.holders(), "it is freed")

    def test_process_that_was_killed_while_it_waited_is_passed_over(self):
        entered = []
        with lock("a", using=self.locks), process(url("redis"), self.prefix, 60) as dead:
            until(lambda: len(self.queue()) == 1, "it waits")
            thread = self.waits(self.another(), entered)
            dead.send_signal(signal.SIGKILL)
            dead.wait(PATIENCE_S)
        began = time.monotonic()
        thread.join(PATIENCE_S)
        self.assertLess(time.monotonic() - began, 2)
        self.assertEqual(len(entered), 1)

    def test_process_that_was_killed_while_it_held_is_followed_at_the_end_of_its_lease(self):
        with process(url("redis"), self.prefix, 1.5) as dead:
            fence = int(dead.stdout.readline())
            dead.send_signal(signal.SIGKILL)
            began = time.monotonic()
            with lock("a", using=self.locks, wait=PATIENCE_S) as lease:
                self.assertTrue(0.9 < time.monotonic() - began < 3)
            self.assertGreater(lease.fence, fence)

    def test_turn_of_a_process_that_stands_still_is_over_with_its_lease(self):
        with process(url("redis"), self.prefix, 1) as still:
            fence = int(still.stdout.readline())
            still.send_signal(signal.SIGSTOP)
            with lock("a", using=self.locks, wait=PATIENCE_S) as lease:
                self.assertGreater(lease.fence, fence)
                still.send_signal(signal.SIGCONT)
                still.stdin.close()
                self.assertNotEqual(still.wait(PATIENCE_S), 0)  # LockLost
                lease.check()

    def test_who_is_not_told_asks(self):
        entered, other = [], self.another()
        fence = self.locks.try_acquire("a", "one", 60).fence
        with patch.object(other._ear, "_told", lambda message: None):
            thread = self.waits(other, entered, wait=60)
            self.locks.release("a", "one", fence)
            thread.join(PATIENCE_S)
        self.assertEqual(len(entered), 1)
        self.assertEqual(self.locks.holders(), [])

    def test_lease_of_who_was_told_late_is_counted_from_the_grant(self):
        told, other, ends = threading.Event(), self.another(), []
        fence, real = self.locks.try_acquire("a", "one", 60).fence, other._told

        def late(message):
            told.wait(PATIENCE_S)
            real(message)

        def work():
            with self.assertRaises(LockLost), lock("a", using=other, wait=PATIENCE_S, ttl=1, renew=False) as lease:
                ends.append(lease.held())

        with patch.object(other._ear, "_told", late):
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            until(self.queue, "it waits")
            self.locks.release("a", "one", fence)
            until(lambda: not self.locks.holders(), "its lease is over before it knows")
            with patch.object(other, "try_acquire", side_effect=AssertionError("it was told")):
                told.set()
                thread.join(PATIENCE_S)
        self.assertEqual(ends, [False])

    def test_key_is_forgotten_a_day_after_its_end(self):
        with lock("a", using=self.locks, ttl=30):
            self.assertTrue(KEPT_S < self.client.ttl(f"{self.prefix}lock:a") <= KEPT_S + 30)
        self.assertTrue(KEPT_S - 10 < self.client.ttl(f"{self.prefix}lock:a") <= KEPT_S)

    def test_fence_grows_though_the_clock_goes_back_or_the_key_is_lost(self):
        first = self.locks.try_acquire("a", "one", 60).fence
        self.client.hset(f"{self.prefix}lock:a", "fence", 2**52)
        self.locks.release("a", "one", None)
        self.assertEqual(self.locks.try_acquire("a", "two", 60).fence, 2**52 + 1)
        self.client.delete(f"{self.prefix}lock:a")
        self.assertGreater(self.locks.try_acquire("a", "three", 60).fence, first)

    def test_names_by_the_thousand_are_told_apart(self):
        pipeline = self.client.pipeline(transaction=False)
        for number in range(0, MANY, 10):
            script, given = self.locks._acquire_call(f"job-{number}", f"owner {number}", 600)
            pipeline.execute_command("EVAL", script.text, *given)
        self.assertTrue(all(fence for fence, _ in pipeline.execute()))
        self.assertEqual(self.client.zcard(f"{self.prefix}held"), MANY / 10)

    def test_alias_of_another_make_is_told(self):
        with self.assertRaisesRegex(InvalidBackend, "DIST_LOCKS.*'default' must be an alias of CACHES"):
            RedisLocks(alias="default")


@needs("redis")
class ServerTests(SimpleTestCase):
    """A Redis of the test's own."""

    def test_lost_answers_are_made_good(self):
        with serving("redis-server") as server:
            proxy = Proxy(("127.0.0.1", port_of(server)))
            self.addCleanup(proxy.close)
            with redis_at(proxy.port):
                locks = RedisLocks(alias="test", connection="own")
                for delivered in (False, True):
                    with lock("a", using=locks):
                        pass
                    proxy.arm(b"A TEST'S OWN", delivered=delivered)
                    with patch("django_dist.locks.block.new_owner", lambda: "A TEST'S OWN"), lock("a", using=locks):
                        self.assertEqual(len(locks.holders()), 1)
                        proxy.arm(b"A TEST'S OWN", delivered=delivered)
                    self.assertEqual(locks.holders(), [])
                self.assertEqual(proxy.cuts, 4)

    def test_server_that_forgets_reports_the_loss_and_fences_grow(self):
        with serving("redis-server") as server, redis_at(port_of(server)):
            locks, losses = RedisLocks(alias="test", connection="own"), []
            with self.assertRaises(LockLost), lock("a", using=locks, ttl=3, on_lost=losses.append) as lease:
                server.flushall()
                follower = locks.try_acquire("a", "another", 60).fence
                until(lambda: losses, "the loss is told")
            self.assertGreater(follower, lease.fence)

    def test_server_that_stands_still_is_told_in_time(self):
        with serving("redis-server") as server, redis_at(port_of(server), SOCKET_TIMEOUT=0.5):
            locks, losses = RedisLocks(alias="test", connection="own"), []
            with self.assertRaises(LockLost), lock("a", using=locks, ttl=1.5, on_lost=losses.append) as lease:
                server.process.send_signal(signal.SIGSTOP)
                began = time.monotonic()
                with self.assertRaises(BackendUnavailable), lock("b", using=locks, wait=30):
                    self.fail("held, and nobody knows")
                self.assertLess(time.monotonic() - began, 3)
                until(lambda: losses, "the loss is told")
                self.assertFalse(lease.held())
                server.process.send_signal(signal.SIGCONT)

    def test_who_waits_goes_on_when_the_line_that_tells_is_cut(self):
        with serving("redis-server") as server, redis_at(port_of(server)):
            locks, entered = RedisLocks(alias="test", connection="own"), []
            fence = locks.try_acquire("a", "one", 60).fence

            def work():
                with lock("a", using=locks, wait=PATIENCE_S):
                    entered.append(1)

            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            until(lambda: server.zcard("dist:lock:queue:a"), "it waits")
            server.client_kill_filter(_type="pubsub")
            locks.release("a", "one", fence)
            thread.join(PATIENCE_S)
            self.assertEqual(entered, [1])

    def test_user_who_may_not_publish_is_served_all_the_same(self):
        with serving("redis-server") as server:
            server.execute_command("ACL", "SETUSER", "shop", "on", ">secret", "~*", "+@all", "resetchannels")
            with redis_at(port_of(server), PASSWORD="secret", USERNAME="shop"):
                locks, entered = RedisLocks(alias="test", connection="own"), []

                def work():
                    with lock("a", using=locks, wait=PATIENCE_S):
                        entered.append(1)

                with lock("a", using=locks):
                    thread = threading.Thread(target=work, daemon=True)
                    thread.start()
                    until(lambda: locks.line.length("a"), "it waits")
                thread.join(PATIENCE_S)
                self.assertEqual(entered, [1])
