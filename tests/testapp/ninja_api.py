"""Django Ninja: sync and async operations with authentication of its own."""

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from ninja import NinjaAPI, Schema
from ninja.errors import HttpError
from ninja.security import HttpBearer

from django_dist.idempotency import idempotent

from .models import Entry

try:
    from ninja import Status
except ImportError:  # before 1.5 a pair

    def Status(code, body):  # noqa: N802
        return code, body


api = NinjaAPI(urls_namespace="testapp")


class ByName(HttpBearer):
    def authenticate(self, request, token):
        user = User.objects.filter(username=token.split(".")[0]).first()
        return user if user is not None and user.has_perm("testapp.write") else None


class AsyncByName(HttpBearer):
    async def authenticate(self, request, token):
        return await sync_to_async(ByName().authenticate)(request, token)


class Order(Schema):
    item: int = 1
    invalid: bool = False


def write(request, order):
    entry = Entry.objects.create(text="entry")
    if order.invalid:
        raise HttpError(422, "on purpose")
    return Status(201, {"entry": entry.pk, "by": request.auth.username})


@api.post("/sync", auth=ByName(), response={201: dict})
@idempotent
def create(request, order: Order):
    return write(request, order)


@api.post("/async", auth=AsyncByName(), response={201: dict})
@idempotent
async def acreate(request, order: Order):
    return await sync_to_async(write)(request, order)


@api.post("/plain", auth=ByName(), response={201: dict})
def plain(request, order: Order):
    return write(request, order)
