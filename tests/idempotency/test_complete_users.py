"""Abandoned requests run as their user of now, with the rights of now: in Django, REST framework and Ninja."""

from importlib.util import find_spec
from unittest import skipUnless

from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import JsonResponse
from django.test import TransactionTestCase, modify_settings, override_settings
from django.urls import path, reverse

from django_dist.idempotency import idempotent
from django_dist.models import RequestRecord
from idempotency.completion import complete
from idempotency.site import SiteMixin
from testapp.models import Entry

FAILURES = []


def work(request, user):
    """Fail as often as it is told; then write."""
    if FAILURES:
        raise FAILURES.pop()
    entry = Entry.objects.create(text=user.username or "nobody")
    url = request.build_absolute_uri(reverse("inside"))
    return JsonResponse({"entry": entry.pk, "by": user.username, "url": url}, status=201)


@idempotent
def inside(request):
    if request.user.is_authenticated and not request.user.has_perm("testapp.write"):
        raise PermissionDenied
    return work(request, request.user)


@idempotent
async def asynchronous(request):
    from asgiref.sync import sync_to_async

    return await sync_to_async(work)(request, await request.auser())


@idempotent
def by_session(request):
    return JsonResponse({"cart": request.session["cart"]}, status=201)


urlpatterns = [
    path("inside", inside, name="inside"),
    path("async", asynchronous),
    path("session", by_session),
    path("members", login_required(inside)),
    path("writers", permission_required("testapp.write", raise_exception=True)(inside)),
]

if find_spec("rest_framework"):
    from rest_framework.authentication import SessionAuthentication
    from rest_framework.response import Response
    from rest_framework.views import APIView

    from testapp.rest import Checked

    class Rest(Checked, APIView):
        @idempotent
        def post(self, request):
            work(request, request.user)
            return Response({"item": request.data["item"], "by": request.user.username}, status=201)

    class RestBySession(Rest):
        authentication_classes = [SessionAuthentication]

    urlpatterns += [path("rest", Rest.as_view()), path("rest-session", RestBySession.as_view())]

if find_spec("ninja"):
    from ninja import NinjaAPI
    from ninja.security import django_auth

    from testapp.ninja_api import ByName, Status

    api = NinjaAPI(urls_namespace="completed")

    @api.post("/session", auth=django_auth, response={201: dict})
    @idempotent
    def ninja_by_session(request):
        return Status(201, {"entry": work(request, request.user).status_code})

    @api.post("/bearer", auth=ByName(), response={201: dict})
    @idempotent
    def ninja_by_bearer(request):
        return Status(201, {"entry": work(request, request.auth).status_code})

    urlpatterns += [path("ninja/", api.urls)]


POLICY = {"mode": "lease", "completes": True, "keep_request": "plain", "wait": 0}


@override_settings(ROOT_URLCONF=__name__, DIST_IDEMPOTENCY={"default": {"POLICY": POLICY}})
class UserTests(SiteMixin, TransactionTestCase):
    def leave_behind(self, view, user=None):
        """Send a request that fails; its client never comes back by itself."""
        FAILURES[:] = [ValueError("on purpose")]
        self.assertEqual(self.post(view, user).status_code, 500)
        self.assertEqual(FAILURES, [])

    def assert_held(self, why):
        self.assertIn("0 completed, 0 failed, 1 held", complete())
        self.assertIn(why, RequestRecord.objects.get().reason)
        self.assertEqual(self.entries(), 0)

    def assert_completed(self, view, user=None):
        self.assertIn("1 completed, 0 failed, 0 held", complete())
        self.assertEqual(Entry.objects.get().text, user.username if user else "nobody")
        reply = self.post(view, user)
        self.assertEqual((reply.status_code, reply.headers.get("Idempotent-Replayed")), (201, "true"))
        return reply.json()

    def test_request_runs_as_its_user_through_the_checks_around_the_view(self):
        for view in ("/inside", "/members", "/writers", "/async"):
            with self.subTest(view=view):
                self.leave_behind(view, self.alice)
                answer = self.assert_completed(view, self.alice)
                self.assertEqual((answer["by"], answer["url"]), ("alice", "http://testserver/inside"))
                RequestRecord.objects.all().delete()
                Entry.objects.all().delete()

    def test_request_of_nobody_runs_as_nobody(self):
        self.leave_behind("/inside")
        self.assert_completed("/inside")

    def test_user_that_is_inactive_is_held(self):
        self.leave_behind("/inside", self.alice)
        User.objects.filter(pk=self.alice.pk).update(is_active=False)
        self.assert_held("its user is not active any more")

    def test_user_that_is_gone_is_held(self):
        self.leave_behind("/inside", self.alice)
        self.alice.delete()
        self.assert_held("its user is gone")

    def test_user_that_has_lost_the_right_is_held(self):
        for view in ("/inside", "/writers"):
            with self.subTest(view=view):
                self.leave_behind(view, self.alice)
                self.alice.user_permissions.clear()
                self.assert_held("its user is denied: answered 403")
                self.alice.user_permissions.add(self.right)
                RequestRecord.objects.all().delete()

    def test_model_of_the_user_that_is_gone_is_held(self):
        self.leave_behind("/inside", self.alice)
        row = RequestRecord.objects.get()
        row.kept = bytes(row.kept).replace(b'"auth.user"', b'"shop.gone"')
        row.save()
        self.assert_held("its user's model shop.gone is gone")

    @skipUnless(find_spec("rest_framework"), "needs djangorestframework")
    def test_rest_framework_asks_for_the_rights_of_now(self):
        for view in ("/rest", "/rest-session"):
            with self.subTest(view=view):
                self.leave_behind(view, self.alice)
                self.assertEqual(self.assert_completed(view, self.alice), {"item": 1, "by": "alice"})
                RequestRecord.objects.all().delete()
                Entry.objects.all().delete()
                self.leave_behind(view, self.alice)
                self.alice.user_permissions.clear()
                self.assert_held("its user is denied: answered 403")
                self.alice.user_permissions.add(self.right)
                RequestRecord.objects.all().delete()

    @skipUnless(find_spec("ninja"), "needs django-ninja")
    def test_ninja_knows_the_user_of_a_session(self):
        self.leave_behind("/ninja/session", self.alice)
        self.assert_completed("/ninja/session", self.alice)

    @skipUnless(find_spec("ninja"), "needs django-ninja")
    def test_ninja_that_asks_for_a_token_is_held(self):
        self.leave_behind("/ninja/bearer", self.alice)
        self.assert_held("its user is denied: answered 401")

    @modify_settings(MIDDLEWARE={"append": "idempotency.test_complete_users.never"})
    def test_other_middleware_does_not_run(self):
        PASSED.clear()
        with override_settings(DIST_IDEMPOTENCY={"default": {"POLICY": POLICY | {"required": True}}}):
            self.leave_behind("/inside", self.alice)
            before = list(PASSED)
            self.assertIn("1 completed", complete())
        self.assertEqual((len(before), PASSED), (1, before))

    def test_view_that_needs_a_session_is_told_so(self):
        FAILURES[:] = []
        self.assertEqual(self.post("/session", self.alice).status_code, 500)
        self.assertIn("1 held", complete("--max-attempts", "2"))
        self.assertIn("answered 500 (AttributeError)", RequestRecord.objects.get().reason)


PASSED = []


def never(get_response):
    """Note what passes."""

    def pass_on(request):
        PASSED.append(request.path)
        return get_response(request)

    return pass_on
