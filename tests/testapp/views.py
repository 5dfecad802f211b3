"""Django's own kinds of view, each with a check around @idempotent."""

from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.auth.mixins import LoginRequiredMixin, PermissionRequiredMixin
from django.http import JsonResponse
from django.utils.decorators import method_decorator
from django.views import View

from django_dist.idempotency import idempotency_exempt, idempotent

from .models import Entry


def write(text="entry"):
    return JsonResponse({"entry": Entry.objects.create(text=text).pk}, status=201)


@permission_required("testapp.write", raise_exception=True)
@idempotent
def function(request):
    return write()


@permission_required("testapp.write", raise_exception=True)
@idempotent
async def afunction(request):
    return await sync_to_async(write)()


@login_required
@idempotent
def for_members(request):
    return write()


@idempotent
def behind_middleware(request):
    return write()


@idempotent
class Decorated(PermissionRequiredMixin, View):
    permission_required = "testapp.write"
    raise_exception = True

    def post(self, request):
        return write()


class Method(PermissionRequiredMixin, View):
    permission_required = "testapp.write"
    raise_exception = True

    @idempotent
    def post(self, request):
        return write()

    def put(self, request):
        return write()


@idempotent
class Parent(View):
    def post(self, request):
        return write()


class Heir(PermissionRequiredMixin, Parent):
    """Inherits the guard, and checks before it."""

    permission_required = "testapp.write"
    raise_exception = True


@idempotent
class Asynchronous(View):
    async def post(self, request):
        return await sync_to_async(write)()


@method_decorator(idempotent, name="post")
class ByMethodDecorator(LoginRequiredMixin, View):
    def post(self, request):
        return write()


class Plain(PermissionRequiredMixin, View):
    """Nobody decorated it."""

    permission_required = "testapp.write"
    raise_exception = True

    def post(self, request):
        return write()


@idempotency_exempt
class Exempt(View):
    def post(self, request):
        return write()
