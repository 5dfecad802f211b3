"""The test site: a path a kind of view; REST framework and Ninja where they are installed."""

from importlib.util import find_spec

from django.urls import path

from . import views

urlpatterns = [
    path("django/function", views.function),
    path("django/afunction", views.afunction),
    path("django/decorated", views.Decorated.as_view()),
    path("django/method", views.Method.as_view()),
    path("django/heir", views.Heir.as_view()),
    path("members/function", views.for_members),
    path("members/class", views.ByMethodDecorator.as_view()),
    path("middleware/function", views.behind_middleware),
    path("open/async", views.Asynchronous.as_view()),
    path("plain/django", views.Plain.as_view()),
    path("exempt/django", views.Exempt.as_view()),
]

if find_spec("rest_framework"):
    from . import rest

    urlpatterns += [
        path("rest/decorated", rest.Decorated.as_view()),
        path("rest/method", rest.Method.as_view()),
        path("rest/create", rest.Entries.as_view({"post": "create"})),
        path("rest/extra", rest.Entries.as_view({"post": "extra"})),
        path("rest/inside", rest.inside),
        path("rest/outside", rest.outside),
        path("plain/rest", rest.Plain.as_view()),
    ]

if find_spec("ninja"):
    from .ninja_api import api

    urlpatterns += [path("ninja/", api.urls)]
