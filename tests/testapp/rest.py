"""Django REST framework: each way to decorate, with authentication, permissions and throttles of its own."""

from django.contrib.auth.models import User
from rest_framework.authentication import BaseAuthentication
from rest_framework.decorators import (
    action,
    api_view,
    authentication_classes,
    parser_classes,
    permission_classes,
    throttle_classes,
)
from rest_framework.exceptions import AuthenticationFailed, ValidationError
from rest_framework.parsers import JSONParser
from rest_framework.permissions import BasePermission
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from django_dist.idempotency import idempotent

from .models import Entry

#: How many requests the throttle lets pass; None is all.
LEFT = {"throttle": None}


class ByName(BaseAuthentication):
    """Take ``Authorization: Bearer NAME`` for a login."""

    def authenticate(self, request):
        kind, _, name = request.headers.get("Authorization", "").partition(" ")
        if kind != "Bearer":
            return None
        user = User.objects.filter(username=name.split(".")[0]).first()
        if user is None:
            raise AuthenticationFailed
        return user, None

    def authenticate_header(self, request):
        return "Bearer"


class MayWrite(BasePermission):
    def has_permission(self, request, view):
        return request.user.has_perm("testapp.write")


class Few(BaseThrottle):
    def allow_request(self, request, view):
        if LEFT["throttle"] is None:
            return True
        LEFT["throttle"] -= 1
        return LEFT["throttle"] >= 0


def write(request):
    entry = Entry.objects.create(text="entry")
    if request.data.get("invalid"):
        raise ValidationError({"invalid": ["on purpose"]})
    return Response({"entry": entry.pk, "by": request.user.username}, status=201)


class Checked:
    authentication_classes = [ByName]
    permission_classes = [MayWrite]
    throttle_classes = [Few]
    parser_classes = [JSONParser]


@idempotent
class Decorated(Checked, APIView):
    def post(self, request):
        return write(request)


class Method(Checked, APIView):
    @idempotent
    def post(self, request):
        return write(request)


class Plain(Checked, APIView):
    def post(self, request):
        return write(request)


class Entries(Checked, ViewSet):
    @idempotent
    def create(self, request):
        return write(request)

    @action(detail=False, methods=["post"])
    @idempotent
    def extra(self, request):
        return write(request)


def checked(view):
    for decorate, classes in (
        (authentication_classes, ByName),
        (permission_classes, MayWrite),
        (throttle_classes, Few),
        (parser_classes, JSONParser),
    ):
        view = decorate([classes])(view)
    return view


@api_view(["POST"])
@checked
@idempotent
def inside(request):
    return write(request)


@idempotent
@api_view(["POST"])
@checked
def outside(request):
    return write(request)
