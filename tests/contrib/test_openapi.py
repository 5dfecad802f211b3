"""Guarded operations, and they alone, tell of the key in a schema that is valid OpenAPI."""

import json

from django.test import SimpleTestCase, override_settings
from django.urls import path
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import OpenApiResponse, extend_schema
from ninja import Schema
from openapi_spec_validator import validate
from rest_framework import serializers
from rest_framework.decorators import action, api_view, schema
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from django_dist.contrib.ninja import NinjaAPI
from django_dist.contrib.spectacular import AutoSchema
from django_dist.idempotency import idempotency_exempt, idempotent

ALL_VIEWS = override_settings(DIST_IDEMPOTENCY={"default": {"POLICY": {"all_views": True}}})
OPAQUE = override_settings(
    DIST_IDEMPOTENCY={"default": {"POLICY": {"header": "X-Request-Id", "key_format": "opaque", "required": True}}}
)


class Item(serializers.Serializer):
    item = serializers.IntegerField()


@extend_schema(request=Item, responses={201: Item, 409: OpenApiResponse(Item, "Sold out.")})
class Base(APIView):
    schema = AutoSchema()

    def post(self, request):
        return Response(status=201)

    def get(self, request):
        return Response({})


@idempotent(required=True)
class Decorated(Base):
    pass


class Method(Base):
    @idempotent
    def post(self, request):
        return Response(status=201)

    def patch(self, request):
        return Response({})


@idempotent
class Partly(Base):
    @idempotency_exempt
    def post(self, request):
        return Response(status=201)

    def patch(self, request):
        return Response({})


class Plain(Base):
    pass


@idempotency_exempt
class Exempt(Base):
    pass


@extend_schema(request=Item, responses={201: Item})
class Set(ViewSet):
    schema = AutoSchema()

    @idempotent
    def create(self, request):
        return Response(status=201)

    def update(self, request):
        return Response({})

    @action(detail=False, methods=["post"])
    @idempotent(methods=["POST"])
    def extra(self, request):
        return Response(status=201)


@api_view(["POST"])
@schema(AutoSchema())
@idempotent
def inside(request):
    return Response(status=201)


PATTERNS = [
    path("decorated", Decorated.as_view()),
    path("method", Method.as_view()),
    path("partly", Partly.as_view()),
    path("plain", Plain.as_view()),
    path("exempt", Exempt.as_view()),
    path("set", Set.as_view({"post": "create", "put": "update"})),
    path("extra", Set.as_view({"post": "extra"}, detail=False)),
    path("inside", inside),
]

GUARDED = {"post /decorated", "post /method", "patch /partly", "post /set", "post /extra", "post /inside"}

api = NinjaAPI(urls_namespace="openapi")


class Order(Schema):
    item: int


@api.post("/guarded", response={201: Order, 409: Order})
@idempotent(required=True)
def guarded(request, order: Order):
    return 201, order


@api.patch("/both", response=Order)
@idempotent
async def both(request):
    return {"item": 1}


@api.put("/other", response=Order)
@idempotent
def other_method(request):
    return {"item": 1}


@api.post("/bare", response=Order)
def bare(request, order: Order):
    return order


@api.post("/left", include_in_schema=False)
@idempotent
def left_out(request):
    return None


def spectacular():
    return SchemaGenerator(patterns=PATTERNS).get_schema(public=True)


def ninja():
    return json.loads(json.dumps(api.get_openapi_schema(path_prefix="")))


def told(document):
    """Return which operations tell of a key."""
    return {
        f"{method} {where}"
        for where, operations in document["paths"].items()
        for method, operation in operations.items()
        if any(one["in"] == "header" for one in operation.get("parameters", ()))
    }


class OpenApiTests(SimpleTestCase):
    def assert_described(self, operation, *, required, success):
        (header,) = [one for one in operation["parameters"] if one["in"] == "header"]
        self.assertEqual((header["name"], header.get("required", False)), ("Idempotency-Key", required))
        self.assertEqual(header["schema"], {"type": "string", "format": "uuid"})
        responses = operation["responses"]
        self.assertLessEqual({success, "400", "409", "422", "503"}, set(responses))
        for status in ("400", "409", "422", "503"):
            self.assertIn("application/problem+json", responses[status]["content"])
        self.assertIn("Retry-After", responses["409"]["headers"])
        self.assertIn("Idempotent-Replayed", responses[success]["headers"])

    def test_schema_is_valid(self):
        validate(spectacular())
        validate(ninja())
        with OPAQUE:
            validate(spectacular())
            validate(ninja())

    def test_guarded_operations_alone_tell_of_the_key(self):
        self.assertEqual(told(spectacular()), GUARDED)
        self.assertEqual(told(ninja()), {"post /guarded", "patch /both"})

    def test_method_that_is_not_guarded_is_not_told_of_beside_one_that_is(self):
        several = NinjaAPI(urls_namespace="several")
        several.api_operation(["GET", "PATCH"], "/several")(idempotent(lambda request: 1))
        self.assertEqual(told(several.get_openapi_schema(path_prefix="")), {"patch /several"})

    def test_operation_tells_of_header_refusals_and_replays(self):
        rest, shop = spectacular()["paths"], ninja()["paths"]
        self.assert_described(rest["/decorated"]["post"], required=True, success="201")
        self.assert_described(rest["/method"]["post"], required=False, success="201")
        self.assert_described(shop["/guarded"]["post"], required=True, success="201")
        self.assert_described(shop["/both"]["patch"], required=False, success="200")

    def test_what_a_view_says_of_a_status_itself_stays(self):
        for document, where in ((spectacular(), "/decorated"), (ninja(), "/guarded")):
            content = document["paths"][where]["post"]["responses"]["409"]["content"]
            self.assertEqual(set(content), {"application/json", "application/problem+json"})

    def test_header_and_form_are_those_of_the_policy(self):
        with OPAQUE:
            operation = spectacular()["paths"]["/method"]["post"]
            (header,) = operation["parameters"]
            self.assertEqual((header["name"], header["required"]), ("X-Request-Id", True))
            self.assertEqual(header["schema"]["maxLength"], 255)

    def test_all_views_tells_of_all_but_the_exempt(self):
        with ALL_VIEWS:
            self.assertEqual(told(spectacular()) - GUARDED, {"post /plain", "put /set", "patch /method"})
            self.assertIn("post /bare", told(ninja()))
