"""Under all_views, a mark counts however the URLconf calls the view: by partial(), a bound method, an object."""

import uuid
from functools import partial, partialmethod

from django.contrib.auth.models import Group
from django.http import HttpResponse
from django.test import Client, SimpleTestCase, TransactionTestCase, override_settings
from django.urls import path
from django.views import View

from django_dist.idempotency import idempotency_exempt, idempotent
from django_dist.models import RequestRecord
from idempotency.site import ALL_VIEWS


def plain(request, **kwargs):
    Group.objects.create(name=uuid.uuid4().hex)
    return HttpResponse(status=201)


async def aplain(request, **kwargs):
    await Group.objects.acreate(name=uuid.uuid4().hex)
    return HttpResponse(status=201)


def fresh(view=plain):
    """Return ``view`` without what another mark has left on it."""
    return partial(view)


OWN = {"required": True, "scope": lambda request: "ours"}


class Shop:
    def plain(self, request, **kwargs):
        return plain(request)

    @idempotency_exempt
    def exempt(self, request, **kwargs):
        return plain(request)

    @idempotent(**OWN)
    def guarded(self, request, **kwargs):
        return plain(request)

    exempt_in_part = partialmethod(exempt, currency="EUR")


class Callable:
    @idempotency_exempt
    def __call__(self, request):
        return plain(request)


class Guarded:
    @idempotent(**OWN)
    def __call__(self, request):
        return plain(request)


class Bare:
    def __call__(self, request):
        return plain(request)


class Classy(View):
    def post(self, request, **kwargs):
        return plain(request)


@idempotency_exempt
class ExemptClass(Classy):
    pass


@idempotent(**OWN)
class GuardedClass(Classy):
    pass


exempt_function = idempotency_exempt(lambda request, **kwargs: plain(request))
guarded_function = idempotent(**OWN)(lambda request, **kwargs: plain(request))
EXEMPT = {
    "partial-of-exempt": partial(exempt_function, currency="EUR"),
    "partial-of-partial": partial(partial(exempt_function), currency="EUR"),
    "exempt-of-partial": idempotency_exempt(fresh()),
    "bound": Shop().exempt,
    "partial-of-bound": partial(Shop().exempt, currency="EUR"),
    "partial-method": Shop().exempt_in_part,
    "exempt-of-bound": idempotency_exempt(Shop().plain),
    "object": Callable(),
    "partial-of-class": partial(ExemptClass.as_view(), currency="EUR"),
}
# Each asks for a key and has a scope where the site does not: its own policy is the one that holds.
GUARDED = {
    "partial-of-guarded": partial(guarded_function, currency="EUR"),
    "guarded-partial": idempotent(**OWN)(fresh()),
    "guarded-partial-of-async": idempotent(**OWN)(fresh(aplain)),
    "guarded-bound": Shop().guarded,
    "partial-of-guarded-bound": partial(Shop().guarded, currency="EUR"),
    "guarded-object": Guarded(),
    "partial-of-guarded-class": partial(GuardedClass.as_view(), currency="EUR"),
    "guarded-partial-of-class": idempotent(**OWN)(partial(Classy.as_view(), currency="EUR")),
}
PLAIN = {"plain-bound": Shop().plain, "plain-object": Bare(), "partial-of-plain": fresh()}
urlpatterns = [path(name, view) for name, view in {**EXEMPT, **GUARDED, **PLAIN}.items()]


@override_settings(ROOT_URLCONF=__name__)
class MarkTests(TransactionTestCase):
    def assert_effects(self, url, expected, **headers):
        Group.objects.all().delete()
        with self.subTest(url):
            statuses = [Client().post(f"/{url}", headers=headers).status_code for _ in range(2)]
            self.assertEqual(Group.objects.count(), expected, statuses)

    def test_exempt_view_is_left_alone(self):
        with ALL_VIEWS:
            for url in EXEMPT:
                self.assert_effects(url, 2, idempotency_key=str(uuid.uuid4()))
        self.assertFalse(RequestRecord.objects.exists())

    def test_guarded_view_has_its_own_policy(self):
        for url in GUARDED:
            with self.subTest(url), ALL_VIEWS:
                self.assertEqual(Client().post(f"/{url}").status_code, 400)
                self.assert_effects(url, 1, idempotency_key=str(uuid.uuid4()))
        self.assertEqual(set(RequestRecord.objects.values_list("scope", flat=True)), {"custom:ours"})

    def test_what_nobody_marked_is_guarded_and_named(self):
        with ALL_VIEWS:
            for url in PLAIN:
                self.assert_effects(url, 1, idempotency_key=str(uuid.uuid4()))
        names = {f"{__name__}.{name}" for name in ("Shop.plain", "Bare", "plain")}
        self.assertEqual(set(RequestRecord.objects.values_list("view", flat=True)), names)


class ExemptTests(SimpleTestCase):
    def test_one_bound_method_is_marked_without_the_others(self):
        first, second = Shop(), Shop()
        idempotency_exempt(first.plain)
        self.assertFalse(hasattr(second.plain, "idempotency_exempt"))
