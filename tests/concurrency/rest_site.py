"""Views of Django REST framework over versions: the version in a header, in the body, and of the field alone."""

from django.db.models import F
from django.test import Client, override_settings
from django.urls import include, path
from rest_framework import routers, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.generics import RetrieveUpdateAPIView
from rest_framework.response import Response

from django_dist.contrib.rest_framework import VersionedViewMixin, VersionField
from django_dist.testing.concurrency_harness import ConcurrencyHarness
from django_dist.testing.concurrency_models import Stock, Ware

#: What happens when the instance was read, and what the views stand on.
NOW = {"between": lambda: None, "database": "default", "hidden": False}


class PlainSerializer(serializers.ModelSerializer):
    secret = serializers.CharField(source="colour", write_only=True, required=False)

    class Meta:
        model = Ware
        fields = ["id", "name", "count", "money", "secret"]

    def update(self, instance, validated_data):
        NOW["between"]()
        return super().update(instance, validated_data)

    def to_representation(self, instance):
        shown = super().to_representation(instance)
        shown.pop("count" if NOW["hidden"] else "secret", None)
        return shown


class VersionedSerializer(PlainSerializer):
    version = VersionField()

    class Meta(PlainSerializer.Meta):
        fields = [*PlainSerializer.Meta.fields, "version"]


class Base:
    authentication_classes = []
    permission_classes = []
    serializer_class = PlainSerializer

    def get_queryset(self):
        return Ware.objects.using(NOW["database"])


class ByHeader(Base, VersionedViewMixin, viewsets.ModelViewSet):
    def perform_destroy(self, instance):
        NOW["between"]()
        super().perform_destroy(instance)

    def perform_create(self, serializer):  # as users write it: the mixin's own is not called
        serializer.save()

    @action(detail=True, methods=["post"])
    def publish(self, request, pk=None):
        self.get_object().save()
        return Response({})

    @action(detail=True)
    def history(self, request, pk=None):
        return Response(self.get_serializer(self.get_object()).data)


class ByBody(Base, VersionedViewMixin, viewsets.ModelViewSet):
    serializer_class = VersionedSerializer
    match_required = False

    def check_object_permissions(self, request, obj):
        if obj.name == "closed":
            raise PermissionDenied


class Alone(Base, viewsets.ModelViewSet):
    """The field without the mixin."""

    serializer_class = VersionedSerializer


class Loose(Base, VersionedViewMixin, viewsets.ModelViewSet):
    """Neither header nor field: the UPDATE alone is checked."""

    match_required = False

    class serializer_class(PlainSerializer):  # noqa: N801
        def update(self, instance, validated_data):
            instance.count = F("count") + 1
            return super().update(instance, validated_data)


class Generic(Base, VersionedViewMixin, RetrieveUpdateAPIView):
    not_modified = False


class Unversioned(Base, VersionedViewMixin, RetrieveUpdateAPIView):
    class serializer_class(serializers.ModelSerializer):  # noqa: N801
        class Meta:
            model = Stock
            fields = ["id", "count"]

    def get_queryset(self):
        return Stock.objects.using(NOW["database"])


router = routers.SimpleRouter()
for name, view in (("header", ByHeader), ("body", ByBody), ("alone", Alone), ("loose", Loose)):
    router.register(name, view, basename=name)
urlpatterns = [
    path("", include(router.urls)),
    path("generic/<int:pk>/", Generic.as_view()),
    path("unversioned/<int:pk>/", Unversioned.as_view()),
]


class OverREST(ConcurrencyHarness):
    def setUp(self):
        super().setUp()
        here = override_settings(ROOT_URLCONF=__name__)
        here.enable()
        self.addCleanup(here.disable)
        NOW.update(between=lambda: None, database=self.database, hidden=False)
        self.row = self.make(Ware, name="first", colour="red", count=1)

    def send(self, method, to="header", body=None, tag=None, headers=(), pk=None):
        headers = {**dict(headers), **({} if tag is None else {"if-match": tag})}
        url = f"/{to}/{pk or self.row.pk}/"
        return getattr(Client(), method)(url, body or {"name": "mine"}, "application/json", headers=headers)

    def read(self, to="header", **headers):
        return Client().get(
            f"/{to}/{self.row.pk}/", headers={name.replace("_", "-"): tag for name, tag in headers.items()}
        )

    def change(self, **values):
        return self.elsewhere(lambda: self.rows(Ware).filter(pk=self.row.pk).update(**values))

    def assert_refused(self, answer, status, name):
        self.assertEqual((answer.status_code, answer["Content-Type"]), (status, "application/problem+json"))
        self.assertEqual((answer.json()["type"], answer.json()["status"]), ("urn:django-dist:problem:" + name, status))
        self.assertEqual(answer["Cache-Control"], "no-store")
        self.assertNotEqual(self.again(self.row).name, "mine")
