"""As much of Stripe's API as its own Python SDK needs to make customers and charges.

The SDK sends ``Idempotency-Key`` with every POST by itself and repeats what fails; the guard is
all that the server has to add. A charge here fills the customer's wallet.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from django_dist.exceptions import IdempotencyError
from django_dist.idempotency import idempotent

from .. import till
from ..models import Charge, Customer

View = Callable[..., HttpResponse]


def stripe_error(status: int, kind: str, code: str, message: str) -> JsonResponse:
    """Return an error in Stripe's shape.

    Source: https://docs.stripe.com/api/errors
    """
    return JsonResponse({"error": {"type": kind, "code": code, "message": message}}, status=status)


def stripe_problem(request: HttpRequest, error: IdempotencyError) -> HttpResponse:
    """Say a refusal of the guard as Stripe says it, so that the SDK raises its own IdempotencyError."""
    if error.status == 503:
        answer = stripe_error(503, "api_error", "unavailable", error.detail)
    elif error.retryable:
        answer = stripe_error(409, "idempotency_error", "idempotency_key_in_use", error.detail)
    else:
        answer = stripe_error(400, "idempotency_error", "idempotency_error", error.detail)
    answer["Stripe-Should-Retry"] = "true" if error.retryable else "false"
    return answer


def with_secret_key(view: View) -> View:
    """Let only somebody with a test key in; a check, so it stands outside the guard."""

    @wraps(view)
    def checked(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if not request.headers.get("Authorization", "").startswith("Bearer sk_test_"):
            return stripe_error(401, "invalid_request_error", "api_key_missing", "Send a key that begins with sk_test_")
        return view(request, **kwargs)

    return checked


def refusals_in_stripes_shape(view: View) -> View:
    """Turn what the till refuses into Stripe's error."""

    @wraps(view)
    def told(request: HttpRequest, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, **kwargs)
        except till.Refused as refused:
            return stripe_error(refused.status, "invalid_request_error", refused.code, str(refused))

    return told


@csrf_exempt
@require_POST
@with_secret_key
@transaction.atomic
def unguarded_customers(request: HttpRequest) -> HttpResponse:
    """Open an account each time that it is asked to: the fault."""
    return _open_account(request)


@csrf_exempt
@require_POST
@with_secret_key
@idempotent(required=True, key_format="opaque", problem=stripe_problem)
def customers(request: HttpRequest) -> HttpResponse:
    """Open an account once a key: the cure."""
    return _open_account(request)


@csrf_exempt
@require_POST
@with_secret_key
@transaction.atomic
def unguarded_charges(request: HttpRequest) -> HttpResponse:
    """Charge the card each time, and have the bank take each try for a new one: the fault."""
    return _charge(request, bank_key=uuid4())


@csrf_exempt
@require_POST
@with_secret_key
@idempotent(required=True, key_format="opaque", problem=stripe_problem)
def charges(request: HttpRequest) -> HttpResponse:
    """Charge the card once a key: the cure. The bank gets a key that outlives our rollbacks."""
    return _charge(request, bank_key=request.idempotency.derive("bank"))


@require_GET
@with_secret_key
@refusals_in_stripes_shape
def customer(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a customer."""
    return JsonResponse(_customer_as_json(_found(Customer, pk)))


@require_GET
@with_secret_key
@refusals_in_stripes_shape
def charge(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a charge."""
    return JsonResponse(_charge_as_json(_found(Charge, pk)))


@refusals_in_stripes_shape
def _open_account(request: HttpRequest) -> HttpResponse:
    form = request.POST
    return JsonResponse(_customer_as_json(till.open_account(form.get("name", ""), form.get("email", ""))))


@refusals_in_stripes_shape
def _charge(request: HttpRequest, bank_key: UUID) -> HttpResponse:
    form = request.POST
    try:
        customer, amount = int(form["customer"].removeprefix("cus_")), int(form["amount"])
    except (KeyError, ValueError) as error:
        raise till.Refused(400, "parameter_missing", "Send amount, currency and customer (cus_...).") from error
    if not 1 <= amount <= 99_999_999:
        raise till.Refused(400, "amount_invalid", "The amount must be 1 to 99999999.")
    currency = form.get("currency", "")[:3].lower()
    return JsonResponse(_charge_as_json(till.charge_card(customer, amount, currency, bank_key)))


def _found(model: Any, pk: int) -> Any:
    row = model.objects.filter(pk=pk).first()
    if row is None:
        raise till.Refused(404, "resource_missing", f"No such {model.__name__.lower()}: {pk}")
    return row


def _customer_as_json(customer: Customer) -> dict[str, Any]:
    return {
        "id": f"cus_{customer.pk}",
        "object": "customer",
        "name": customer.name,
        "email": customer.email,
        "created": int(customer.created_at.timestamp()),
        "livemode": False,
    }


def _charge_as_json(charge: Charge) -> dict[str, Any]:
    return {
        "id": f"ch_{charge.pk}",
        "object": "charge",
        "amount": charge.amount,
        "currency": charge.currency,
        "customer": f"cus_{charge.customer_id}",
        "balance_transaction": charge.bank_reference,
        "captured": True,
        "paid": True,
        "status": "succeeded",
        "created": int(charge.created_at.timestamp()),
        "livemode": False,
    }
