"""What tests of the test site share: users with rights, and requests sync and async."""

import uuid

from asgiref.sync import async_to_sync
from django.contrib.auth.models import Permission, User
from django.test import AsyncClient, Client, TransactionTestCase, modify_settings, override_settings

from testapp.models import Entry

ALL_VIEWS = override_settings(DIST_IDEMPOTENCY={"default": {"POLICY": {"all_views": True}}})
CHECKED_MIDDLEWARE = modify_settings(
    MIDDLEWARE={
        "remove": "django_dist.idempotency.IdempotencyMiddleware",
        "append": [
            "django.contrib.auth.middleware.LoginRequiredMiddleware",
            "django_dist.idempotency.IdempotencyMiddleware",
        ],
    }
)


class SiteMixin:
    """Sends requests as alice, bob or nobody, each known to every framework."""

    asynchronous = False

    def setUp(self):
        super().setUp()
        self.key = str(uuid.uuid4())
        self.right = Permission.objects.get(codename="write")
        self.alice, self.bob = (User.objects.create(username=name) for name in ("alice", "bob"))
        for user in (self.alice, self.bob):
            user.user_permissions.add(self.right)

    def post(self, path, user=None, *, body=b'{"item": 1}', key=None, token="", method="POST"):
        client = Client(raise_request_exception=False)
        headers = {"Idempotency-Key": key or self.key}
        if user is not None:
            client.force_login(user)
            headers["Authorization"] = f"Bearer {user.username}.{token}"
        sent = (method, path, body, "application/json")
        if self.asynchronous:
            return async_to_sync(_asend)(client.cookies, sent, headers)
        return client.generic(*sent, headers=headers)

    def assert_replayed(self, again, first):
        self.assertEqual(again.headers.get("Idempotent-Replayed"), "true", again.content)
        self.assertEqual((again.status_code, again.content), (first.status_code, first.content))

    def assert_ran(self, response, status=201):
        self.assertEqual(response.status_code, status, response.content)
        self.assertNotIn("Idempotent-Replayed", response.headers)

    def entries(self):
        return Entry.objects.count()


@override_settings(ROOT_URLCONF="testapp.urls")
class SiteCase(SiteMixin, TransactionTestCase):
    """The same, with real transactions."""


async def _asend(cookies, sent, headers):
    client = AsyncClient(raise_request_exception=False)
    client.cookies = cookies
    return await client.generic(*sent, headers=headers)
