"""The admin of records: read-only, found by digest or by scope and key, and bodies for those who may see them."""

import uuid
from unittest import mock

from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import connection, connections
from django.test import Client, SimpleTestCase, TestCase, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path

from django_dist.admin import SHOWN_BYTES, RequestRecordAdmin, shown
from django_dist.idempotency.digests import digest_of
from django_dist.models import RequestRecord
from services import needs

from .records import make

urlpatterns = [path("admin/", admin.site.urls)]
LIST = "/admin/django_dist/requestrecord/"
KEY = "9f8c3a52-6f5b-4f0e-8a3c-2d1b7e4a9c10"
SECOND = {"default": {}, "second": {"OPTIONS": {"database": "postgres"}}}


def digest_for(scope, key=KEY):
    return digest_of(["request", scope, key.replace("-", "") if key == KEY else key])


@override_settings(ROOT_URLCONF=__name__)
class AdminCase(TestCase):
    def setUp(self):
        self.client = self.signed_in("view_requestrecord")

    def signed_in(self, *permissions):
        user = User.objects.create(username=str(uuid.uuid4()), is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client = Client()
        client.force_login(user)
        return client

    def listed(self, **query):
        response = self.client.get(LIST, query)
        self.assertEqual(response.status_code, 200)
        return {row.pk for row in response.context["cl"].result_list}


class ListTests(AdminCase):
    def test_list_shows_what_an_operator_asks_for(self):
        record = make(view="shop.order", scope="user:auth.user:7", status=402, replays=3)
        page = self.client.get(LIST).content.decode()
        for part in (str(record.pk), "finished", "0:01:00", "shop.order", "user:auth.user:7", "402", "3"):
            self.assertIn(part, page)

    def test_nothing_can_be_added_changed_or_deleted(self):
        record = make()
        one = f"{LIST}{record.pk}/change/"
        self.client = self.signed_in(*Permission.objects.values_list("codename", flat=True))
        for url, data in (
            (f"{LIST}add/", {"view": "x"}),
            (one, {"view": "changed"}),
            (f"{LIST}{record.pk}/delete/", {"post": "yes"}),
            (LIST, {"action": "delete_selected", "_selected_action": str(record.pk), "post": "yes"}),
        ):
            with self.subTest(url=url):
                self.client.post(url, data)
                self.assertEqual(RequestRecord.objects.get().view, "shop.order")
        page = self.client.get(one).content.decode()
        self.assertNotIn('name="_save"', page)
        self.assertNotIn("deletelink", page)

    def test_without_the_permission_nothing_is_shown(self):
        self.assertEqual(self.signed_in().get(LIST).status_code, 403)

    def test_digest_is_found_with_and_without_hyphens(self):
        record = make()
        make()
        for term in (str(record.pk), record.pk.hex, record.pk.hex.upper()):
            self.assertEqual(self.listed(q=term), {record.pk}, term)

    def test_customers_request_is_found_by_scope_and_key(self):
        known, nobody = make(digest=digest_for("user:auth.user:7")), make(digest=digest_for("anonymous"))
        opaque = make(digest=digest_for("custom:acme inc", "order-1"))
        make()
        for term, found in (
            (f"user:auth.user:7 {KEY}", known),
            (f"user:auth.user:7  {KEY.upper()} ", known),
            (KEY, nobody),
            ("custom:acme inc order-1", opaque),
        ):
            self.assertEqual(self.listed(q=term), {found.pk}, term)

    def test_view_and_scope_are_searched(self):
        refund, _ = make(view="shop.refund"), make(scope="anonymous")
        self.assertEqual(self.listed(q="refund"), {refund.pk})
        self.assertEqual(self.listed(q="auth.user"), {refund.pk})
        self.assertEqual(self.listed(q="nothing"), set())

    def test_filters(self):
        tombstone, refused = make(state=RequestRecord.State.TOMBSTONE), make(status=499)
        self.assertEqual(self.listed(state__exact=2), {tombstone.pk})
        failed = make(status=500)
        self.assertEqual(self.listed(status_class="4"), {refused.pk})
        self.assertEqual(self.listed(status_class="x"), {tombstone.pk, refused.pk, failed.pk})

    def test_list_counts_no_table_and_reads_no_body(self):
        make(body=b"x")
        with CaptureQueriesContext(connection) as queries:
            self.listed(status_class="2")
        asked = [query["sql"] for query in queries.captured_queries if 'FROM "django_dist_request"' in query["sql"]]
        counts = [sql for sql in asked if "COUNT" in sql]
        self.assertEqual((len(asked), len(counts)), (2, 1), asked)
        self.assertRegex(counts[0], r"LIMIT 1000\)")
        self.assertFalse([sql for sql in asked if "DISTINCT" in sql or '"body"' in sql])

    def test_pages_end_with_the_latest(self):
        with mock.patch("django_dist.listing.LATEST", 2):
            oldest = [make(expired_s=age_s).pk for age_s in (1, 2, 3)][2]
            with mock.patch.object(RequestRecordAdmin, "list_per_page", 1):
                found = self.listed() | self.listed(p=2)
                self.assertEqual(len(found), 2)
                self.assertNotIn(oldest, found)
                self.assertEqual(self.client.get(LIST, {"p": 3}).status_code, 302)


class BodyTests(AdminCase):
    def opened(self, record, *permissions):
        client = self.signed_in("view_requestrecord", *permissions)
        return client.get(f"{LIST}{record.pk}/change/").content.decode()

    def test_body_is_shown_with_the_permission_alone_and_escaped(self):
        record = make(body=b"<script>alert('ten euros')</script>", headers='[["Location", "/orders/<7>"]]')
        self.assertNotIn("ten euros", self.opened(record))
        page = self.opened(record, "view_request_body")
        self.assertIn("&lt;script&gt;alert(&#x27;ten euros&#x27;)", page)
        self.assertNotIn("<script>alert", page)
        self.assertIn("Location: /orders/&lt;7&gt;", page)

    def test_superuser_sees_it(self):
        record = make(body=b"ten euros")
        client = Client()
        client.force_login(User.objects.create(username="root", is_staff=True, is_superuser=True))
        self.assertContains(client.get(f"{LIST}{record.pk}/change/"), "ten euros")


@needs("postgres")
@override_settings(DIST_IDEMPOTENCY=SECOND)
class SecondStoreTests(AdminCase):
    databases = {"default", "postgres"}

    def test_each_store_is_listed_by_itself(self):
        here, there = make(), make("postgres")
        self.assertEqual(self.listed(), {here.pk})
        self.assertEqual(self.listed(store="second"), {there.pk})
        self.assertEqual(self.listed(store="nowhere"), {here.pk})
        chooser = self.client.get(LIST).context["cl"].filter_specs[0]
        shown = [
            (choice["display"], choice["selected"]) for choice in chooser.choices(self.client.get(LIST).context["cl"])
        ]
        self.assertEqual(shown, [("default (default)", True), ("second (postgres)", False)])

    def test_record_of_another_store_opens_from_its_list(self):
        there = make("postgres", view="shop.there")
        link = f"{LIST}{there.pk}/change/?_changelist_filters=store%3Dsecond"
        self.assertIn(link, self.client.get(LIST, {"store": "second"}).content.decode())
        self.assertContains(self.client.get(link), "shop.there")


@needs("postgres")
@override_settings(DIST_IDEMPOTENCY={"default": {"OPTIONS": {"database": "postgres"}}})
class PostgreSQLTests(AdminCase):
    databases = {"default", "postgres"}
    database = "postgres"

    def test_the_stores_own_database_is_shown(self):
        make()
        there = make(self.database, body=b"ten euros")
        with CaptureQueriesContext(connections[self.database]):
            self.assertEqual(self.listed(q=str(there.pk)), {there.pk})
        self.assertEqual(self.listed(), {there.pk})
        self.client = self.signed_in("view_requestrecord", "view_request_body")
        self.assertContains(self.client.get(f"{LIST}{there.pk}/change/"), "ten euros")


@needs("mysql")
@override_settings(DIST_IDEMPOTENCY={"default": {"OPTIONS": {"database": "mysql"}}})
class MariaDBTests(PostgreSQLTests):
    databases = {"default", "mysql"}
    database = "mysql"


class ShownTests(SimpleTestCase):
    def test_text_is_text_and_binary_is_hexadecimal(self):
        for body, text in (
            (None, "not kept"),
            (b"", ""),
            (b'{"a":\n1}', '{"a":\n1}'),
            ("zwölf".encode(), "zwölf"),
            (b"\x00\x01", "00 01"),
            (b"\xff\xd8", "ff d8"),
            (memoryview(b"abc"), "abc"),
        ):
            self.assertEqual(shown(body), text)

    def test_long_bodies_are_cut_also_within_a_character(self):
        body = b"x" * (SHOWN_BYTES - 1) + "ö".encode() + b"y" * 9
        self.assertEqual(shown(body), "x" * (SHOWN_BYTES - 1) + "\n... 10 bytes more")
        self.assertTrue(shown(b"\x00" * (SHOWN_BYTES + 5)).endswith("00 00\n... 5 bytes more"))
