"""One address for each kind of view under each policy."""

from django.urls import path

from .views import VIEWS, lag, who

urlpatterns = [path("who", who), path("lag", lag), *(path(route, view) for route, view in VIEWS.items())]
