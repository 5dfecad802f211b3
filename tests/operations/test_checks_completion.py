"""System checks of ``completes``."""

from unittest import mock

from django.test import override_settings

from django_dist.checks import completion
from django_dist.idempotency.base import RequestBackend
from django_dist.idempotency.policy import PolicySource

from .test_checks import ChecksCase

SOUND = {"mode": "lease", "completes": True, "keep_request": "plain"}


class Unlisted(RequestBackend):
    """A store in mode lease that tells nobody what it holds."""

    modes = frozenset({"atomic", "lease"})

    def attempt(self, mode="atomic", max_run=600.0):
        raise NotImplementedError


class CompletionTests(ChecksCase):
    def test_sound_policy_has_no_findings(self):
        for keep in ("plain", "encrypted"):
            self.decorate(**SOUND | {"keep_request": keep})
        self.assert_found()

    def test_request_that_is_not_kept_is_told(self):
        self.decorate(**SOUND | {"keep_request": None})
        (found,) = self.assert_found("E011")
        self.assertIn("@idempotent of shop.order: completes=True", found.msg)

    def test_atomic_mode_is_told_once(self):
        self.decorate(completes=True)
        self.assert_found("W011")

    def test_policy_of_the_site_counts(self):
        with override_settings(DIST_IDEMPOTENCY={"default": {"POLICY": {"mode": "lease", "completes": True}}}):
            self.assert_found("E011")

    def test_encryption_without_cryptography_is_told(self):
        self.decorate(**SOUND | {"keep_request": "encrypted"})
        with mock.patch.object(completion, "find_spec", return_value=None):
            (found,) = self.assert_found("E012")
        self.assertIn("pip install 'django-dist[encrypted]'", found.hint)

    def test_store_that_cannot_list_is_told(self):
        self.decorate(**SOUND, using="other")
        entry = {"BACKEND": f"{__name__}.Unlisted"}
        with override_settings(DIST_IDEMPOTENCY={"default": {}, "other": entry}):
            (found,) = self.assert_found("E013")
        self.assertIn("'other'", found.msg)

    def test_credentials_and_words_that_are_none_are_told(self):
        for keywords, word in (
            ({"keep_headers": "Cookie"}, "['Cookie']: credentials are never kept"),
            ({"keep_headers": ["Accept", "authorization"]}, "['authorization']: credentials are never kept"),
            ({"keep_headers": ["X-Mine"], "credentials": ["x-mine"]}, "['X-Mine']: credentials are never kept"),
            ({"keep_request": "pickled"}, "keep_request='pickled' is not one of ['encrypted', 'plain']"),
            ({"keep_request": False}, "keep_request=False is not one of"),
            ({"max_request_bytes": -1}, "max_request_bytes=-1 is not a number of at least 0"),
        ):
            with self.subTest(keywords=keywords):
                self.setUp()
                self.decorate(**SOUND | keywords)
                (found,) = self.assert_found("E001")
                self.assertIn(word, found.msg)
                self.doCleanups()

    def test_header_names_may_be_one_word(self):
        policy = PolicySource("here", SOUND | {"keep_headers": "X-Tenant"}).policy()
        self.assertEqual(policy.keep_headers, ("X-Tenant",))
