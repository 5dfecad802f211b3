"""One address for each kind of view under each policy."""

from django.urls import path

from .abandoned import PATHS
from .leased import PATHS as LEASED
from .leased import threads
from .outside import PATHS as OUTSIDE
from .views import VIEWS, lag, who
from .visits import PATHS as VISITS

OTHERS = {"who": who, "lag": lag, "threads": threads}
urlpatterns = [path(route, view) for route, view in {**OTHERS, **VIEWS, **PATHS, **LEASED, **OUTSIDE, **VISITS}.items()]
