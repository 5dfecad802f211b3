"""dist_doctor on Redis and Valkey: each finding is brought about for real, on a server of the test's own."""

import uuid
from io import StringIO
from unittest import mock

import pytest
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.test import SimpleTestCase, override_settings

from django_dist.diagnosis import redis
from django_dist.idempotency.policy import Policy
from processes.clients import until
from services import needs

from .redis_servers import binary, port_of, serving

SOUND = ("--appendonly", "yes", "--appendfsync", "always")
BACKEND = "django_dist.idempotency.redis.RedisRequests"


def alias(port, user="", **options):
    """Return the entry of CACHES for a server of the test's own; a URL of its own, since each has a pool."""
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": f"redis://{user}127.0.0.1:{port}/0?client_name={uuid.uuid4()}",
        "OPTIONS": {"SOCKET_TIMEOUT": 5, "SOCKET_CONNECT_TIMEOUT": 5, **options},
    }


def configured(entry):
    """Keep the requests of the alias ``default`` in the Redis of ``entry``."""
    store = {"BACKEND": BACKEND, "OPTIONS": {"connection": "own"}, "POLICY": {"mode": "lease"}}
    return override_settings(CACHES={"own": entry}, DIST_IDEMPOTENCY={"default": store})


def doctor(entry):
    """Return what dist_doctor prints, and its exit status."""
    out = StringIO()
    with configured(entry):
        try:
            call_command("dist_doctor", stdout=out, no_color=True)
        except CommandError as error:
            return f"{out.getvalue()}{error}", error.returncode
        finally:
            caches["own"].close()
    return out.getvalue(), 0


class OwnServer(SimpleTestCase):
    """A server with sound settings, which a test may change; it is another server for each class."""

    server_name = "redis-server"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if binary(cls.server_name) is None:
            pytest.skip(f"no {cls.server_name}")
        serves = serving(cls.server_name, *SOUND)
        cls.server = serves.__enter__()
        cls.addClassCleanup(serves.__exit__, None, None, None)

    def set(self, **settings):
        for name, value in settings.items():
            before = self.server.config_get(setting := name.replace("_", "-"))[setting]
            self.server.config_set(setting, value)
            self.addCleanup(self.server.config_set, setting, before)

    def found(self, check, *policies, user="", **options):
        """Return what ``check`` finds: whether it is wrong, and in which words."""
        with override_settings(CACHES={"own": alias(port_of(self.server), user, **options)}):
            subject = redis.Subject(caches["own"].client.get_client(write=True), policies or (Policy(),))
            return [(finding.wrong, finding.text) for finding in check(subject)]

    def assert_finds(self, check, wrong, words, *policies, **how):
        ((found, text),) = self.found(check, *policies, **how)
        self.assertIs(found, wrong, text)
        self.assertIn(words, text)

    def assert_content(self, check, *policies, **how):
        self.assertEqual(self.found(check, *policies, **how), [])

    def limited(self, *rights):
        """Return the start of a URL of a user with some rights alone."""
        self.server.execute_command("ACL", "SETUSER", "limited", "reset", "on", ">secret", "~*", "+@all", *rights)
        self.addCleanup(self.server.execute_command, "ACL", "DELUSER", "limited")
        return "limited:secret@"


@needs("redis")
class RedisTests(OwnServer):
    product = "Redis"

    def test_sound_server_is_a_line_and_status_0(self):
        out, status = doctor(alias(port_of(self.server)))
        self.assertEqual(status, 0, out)
        self.assertRegex(out, rf"default +RedisRequests +own +{self.product} \d+\.[\d.]+ +\d+\.\d\d ms\n")
        self.assertIn("1 store, 0 wrong, 0 advice", out)

    def test_server_without_append_only_file_forgets(self):
        self.assert_content(redis.append_only)
        self.set(appendonly="no")
        self.assert_finds(redis.append_only, True, "appendonly is off")
        out, status = doctor(alias(port_of(self.server)))
        self.assertEqual(status, 1, out)
        self.assertIn("wrong  default: appendonly is off", out)
        self.assertIn("mend: set appendonly yes", out)

    def test_loss_of_power_is_told_by_how_often_is_written_out(self):
        self.assert_content(redis.written_out)
        self.set(appendfsync="everysec")
        self.assert_finds(redis.written_out, False, "everysec: a loss of power forgets up to 2 s")
        self.set(appendfsync="no")
        self.assert_finds(redis.written_out, False, "appendfsync is no")

    def test_policy_that_evicts(self):
        self.assert_content(redis.eviction)
        for policy in ("allkeys-lru", "volatile-ttl"):
            self.set(maxmemory_policy=policy)
            self.assert_finds(redis.eviction, True, f"{policy}: records are evicted as soon as maxmemory is set")
        self.set(maxmemory="100mb")
        self.assert_finds(redis.eviction, True, "records are evicted when memory is short")

    def test_time_outs_that_are_missing_or_longer_than_a_lease(self):
        self.assert_content(redis.timeouts)
        nothing = {"socket_timeout": None, "socket_connect_timeout": None}
        words = "no SOCKET_CONNECT_TIMEOUT and no SOCKET_TIMEOUT"
        off = {"SOCKET_TIMEOUT": None, "SOCKET_CONNECT_TIMEOUT": None, "CONNECTION_POOL_KWARGS": nothing}
        self.assert_finds(redis.timeouts, False, words, **off)
        half = {"SOCKET_TIMEOUT": None, "CONNECTION_POOL_KWARGS": {"socket_timeout": None}}
        self.assert_finds(redis.timeouts, False, "no SOCKET_TIMEOUT: ", **half)
        self.assert_finds(redis.timeouts, False, "time-out is 5 s and a lease 4 s", Policy(), Policy(lease=4))

    def test_version(self):
        self.assert_content(redis.version)
        with mock.patch.object(redis, "MINIMUM", (99, 0)):
            self.assert_finds(redis.version, True, "below 6.2")

    def test_user_who_may_not_ask_for_settings_is_told_what_is_not_known(self):
        user = self.limited("-config")
        out, status = doctor(alias(port_of(self.server), user))
        self.assertEqual(status, 0, out)
        self.assertIn("advice  default: CONFIG GET is forbidden", out)
        self.assertIn("1 store, 0 wrong, 1 advice", out)
        self.set(appendonly="no", maxmemory_policy="allkeys-lfu")  # INFO tells these two
        self.assert_finds(redis.append_only, True, "appendonly is off", user=user)
        self.assert_finds(redis.eviction, True, "allkeys-lfu", user=user)

    def test_user_who_may_ask_nothing_gets_no_sound_report(self):
        out, status = doctor(alias(port_of(self.server), self.limited("-config", "-info")))
        self.assertEqual(status, 0, out)
        for words in ("INFO is forbidden", "CONFIG GET is forbidden", "appendonly is not", "maxmemory-policy is not"):
            self.assertIn(words, out)
        self.assertRegex(out, r"own +answers +\d")

    def test_user_who_may_ask_for_settings_alone(self):
        user = self.limited("-info")
        self.assert_content(redis.append_only, user=user)
        self.set(appendonly="no", maxmemory_policy="allkeys-lru")
        self.assert_finds(redis.append_only, True, "appendonly is off", user=user)
        self.assert_finds(redis.eviction, True, "allkeys-lru", user=user)

    def test_user_who_may_run_no_script_is_wrong(self):
        out, status = doctor(alias(port_of(self.server), self.limited("-@scripting")))
        self.assertEqual(status, 1, out)
        self.assertIn("evalsha", out)


@needs("valkey")
class ValkeyTests(RedisTests):
    server_name, product = "valkey-server", "Valkey"


@needs("redis")
class ReplicaTests(OwnServer):
    def setUp(self):
        serves = serving(self.server_name, "--replicaof", f"127.0.0.1 {port_of(self.server)}")
        self.replica = serves.__enter__()
        self.addCleanup(serves.__exit__, None, None, None)
        until(lambda: self.first().get("state") == "online", "a replica")

    def first(self):
        """Return what the primary says of its replica."""
        return self.server.info("replication").get("slave0", {})

    def test_replica_is_told_with_how_far_it_is_behind(self):
        port = port_of(self.replica)
        self.assert_finds(redis.replicas, False, f"replica 127.0.0.1:{port} (online, last heard ")
        with mock.patch.object(redis, "LATE_S", -1):
            self.assert_finds(redis.replicas, False, "is late")

    def test_primary_that_goes_on_alone_is_told(self):
        self.assert_finds(redis.cut_off, False, "min-replicas-to-write is 0")
        self.set(min_replicas_to_write=1)
        self.assert_content(redis.cut_off)

    def test_primary_that_waits_for_replicas_that_are_not_there_is_wrong(self):
        self.set(min_replicas_to_write=2)
        self.assert_finds(redis.cut_off, True, "min-replicas-to-write is 2 and 1 replicas are near")

    def test_alias_that_leads_to_a_replica_is_wrong(self):
        out, status = doctor(alias(port_of(self.replica)))
        self.assertEqual(status, 1, out)
        self.assertIn("wrong  default: this is a replica", out)

    def test_primary_alone_is_content(self):
        self.replica.replicaof("NO", "ONE")
        until(lambda: not self.first(), "no replica")
        self.assert_content(redis.replicas)
        self.assert_content(redis.cut_off)


@needs("redis")
class DownTests(OwnServer):
    def test_server_that_is_down_is_wrong_with_its_mend(self):
        entry = alias(port_of(self.server))
        self.server.process.kill()
        self.server.process.wait()
        out, status = doctor(entry)
        self.assertEqual(status, 1, out)
        self.assertIn("wrong  default: the store does not answer: ", out)
        self.assertIn("mend: start it, or correct LOCATION and password of CACHES['own']", out)
