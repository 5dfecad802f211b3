"""The index page, and the same figures in JSON."""

from uuid import uuid4

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from ..figures import figures
from ..models import Product


@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Explain the shop, with commands to try and what they have led to so far."""
    return render(
        request,
        "store/index.html",
        {
            "address": f"{request.scheme}://{request.get_host()}",
            "key": uuid4(),
            "products": Product.objects.order_by("pk"),
            "figures": figures(),
        },
    )


@require_GET
def state(request: HttpRequest) -> JsonResponse:
    """Return what the shop and its bank hold right now."""
    now = figures()
    return JsonResponse({**now._asdict(), "bank": now.bank._asdict()})


@require_GET
def health(request: HttpRequest) -> HttpResponse:
    """Say that a worker answers; the database is not asked."""
    return HttpResponse("ok", content_type="text/plain")
