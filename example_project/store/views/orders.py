"""Orders in JSON: the fault, the cure, and the cure for an async view.

Sent twice, the unguarded view sells twice. The guarded ones sell once and repeat their answer.
"""

import json
from typing import Any

from asgiref.sync import sync_to_async
from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from django_dist.idempotency import idempotent

from .. import till
from ..models import Order


@csrf_exempt
@require_POST
@transaction.atomic
def unguarded_orders(request: HttpRequest) -> JsonResponse:
    """Place an order each time that it is asked to: the fault."""
    return _sell(request)


@csrf_exempt
@require_POST
@idempotent(required=True)
def orders(request: HttpRequest) -> JsonResponse:
    """Place an order once a key: the cure. Checks stand outside the guard, so above it."""
    return _sell(request)


@csrf_exempt
@require_POST
@idempotent(required=True)
async def async_orders(request: HttpRequest) -> JsonResponse:
    """Place an order once a key, from an async view."""
    return await sync_to_async(_sell)(request)


def _sell(request: HttpRequest) -> JsonResponse:
    try:
        return JsonResponse(_as_json(till.place_order(**_wanted(request))), status=201)
    except till.Refused as refused:
        return JsonResponse({"code": refused.code, "detail": str(refused)}, status=refused.status)


def _wanted(request: HttpRequest) -> dict[str, Any]:
    """Return what is ordered; raises Refused for a body that no order can be made of."""
    try:
        body = json.loads(request.body)
        wanted = {"customer": int(body["customer"]), "sku": str(body["sku"]), "quantity": int(body["quantity"])}
    except (ValueError, TypeError, KeyError) as error:
        example = '{"customer": 1, "sku": "tea", "quantity": 2}'
        raise till.Refused(400, "malformed", f"The body must be like {example}") from error
    if not 1 <= wanted["quantity"] <= 1000:
        raise till.Refused(400, "malformed", "The quantity must be 1 to 1000.")
    return wanted


def _as_json(order: Order) -> dict[str, Any]:
    return {
        "id": order.pk,
        "customer": order.customer_id,
        "sku": order.product.sku,
        "quantity": order.quantity,
        "total": order.total,
        "placed_at": order.placed_at.isoformat(),
    }
