"""What is asked of a page's views when its blocks have run: a function a page, named after the page."""

import types
import uuid
from typing import Any

from django.test import Client
from shop.models import Order


def twice(path: str, body: Any = None, client: Client | None = None, **headers: str) -> Any:
    """Send one request twice; the second must be the first's answer, and the effect one. Return the answer."""
    client = client or Client()
    before, sent = Order.objects.count(), {"Idempotency-Key": str(uuid.uuid4()), **headers}
    first, again = (
        client.post(path, body or {"item": "tea"}, content_type="application/json", headers=sent) for _ in range(2)
    )
    assert first.status_code == 201, (first.status_code, first.content)
    assert again.headers.get("Idempotent-Replayed") == "true", (again.status_code, again.content)
    assert first.content == again.content
    assert Order.objects.count() == before + 1
    return first


def problem(path: str, **headers: str) -> str:
    """Send one request that is refused; return the last part of its problem's type."""
    answer = Client().post(path, {}, content_type="application/json", headers=headers)
    return str(answer.json()["type"]).rpartition(":")[2]


def login() -> Client:
    """Return a client of a user."""
    from django.contrib.auth.models import User

    client = Client()
    client.force_login(User.objects.get_or_create(username="alice")[0])
    return client


def after_existing_view(page: types.ModuleType) -> None:
    """Views as functions and as classes, and a key derived."""
    from django.urls import path

    page.urlpatterns += [
        path("pay", page.pay_order),
        path("class", page.Orders.as_view()),
        path("charge", page.charge_order),
    ]
    twice("/orders")
    twice("/class", client=login())
    assert Client().post("/class", headers={"Idempotency-Key": str(uuid.uuid4())}).status_code == 302
    assert Client().post("/pay", headers={"Idempotency-Key": str(uuid.uuid4())}).status_code == 302
    assert problem("/charge") == "key-missing"
    key = str(uuid.uuid4())
    for _ in range(2):
        Client().post("/charge", headers={"Idempotency-Key": key})
    assert len(page.charges) == 1


def after_drf(page: types.ModuleType) -> None:
    """Viewset, action, APIView and functions."""
    import base64

    from django.contrib.auth.models import User

    User.objects.create_user("bob", password="secret")
    basic = {"Authorization": "Basic " + base64.b64encode(b"bob:secret").decode()}
    twice("/orders/", **basic)
    assert Client().get("/orders/", headers=basic).status_code == 200
    for path in ("/single", "/below", "/above"):
        twice(path)
    key = {"Idempotency-Key": str(uuid.uuid4())}
    answers = [Client().post(f"/orders/{Order.objects.first().pk}/pay/", headers={**basic, **key}) for _ in range(2)]
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers] == [None, "true"]
    assert Client().post("/orders/", headers=key).status_code == 401
    bad = [Client().post("/single", {}, content_type="application/json", headers=key) for _ in range(2)]
    assert [answer.status_code for answer in bad] == [400, 400]
    assert bad[1].headers["Idempotent-Replayed"] == "true"
    key = {"Idempotency-Key": str(uuid.uuid4())}
    broken = [Client().post("/single", "{", content_type="application/json", headers=key) for _ in range(2)]
    assert [(answer.status_code, answer.headers.get("Idempotent-Replayed")) for answer in broken] == [(400, None)] * 2


def after_ninja(page: types.ModuleType) -> None:
    """An operation behind a token."""
    token = {"Authorization": "Bearer secret"}
    twice("/api/orders", **token)
    key = {"Idempotency-Key": str(uuid.uuid4())}
    assert Client().post("/api/orders", headers=key).status_code == 401
    answers = [
        Client().post("/api/orders", body, content_type="application/json", headers={**token, **key})
        for body in ({"thing": "tea"}, {"item": "unicorn"}, {"item": "unicorn"}, {"item": "tea"})
    ]
    told = [(answer.status_code, answer.headers.get("Idempotent-Replayed")) for answer in answers]
    assert told == [(422, None), (400, None), (400, "true"), (422, None)]


def after_asgi(page: types.ModuleType) -> None:
    """An async view."""
    twice("/orders")


def after_scope(page: types.ModuleType) -> None:
    """A space for each organisation of a user."""
    client, key = login(), str(uuid.uuid4())
    told = [twice("/orders", client=client, **{"Idempotency-Key": key, "X-Organisation": name}) for name in "ab"]
    assert told[0].content != told[1].content


def after_login(page: types.ModuleType) -> None:
    """Views that are exempt where all others are guarded: Django's own login, and a function."""
    from django.contrib.auth.models import User
    from django.test import override_settings

    User.objects.create_user("bob", password="secret")
    key = {"Idempotency-Key": str(uuid.uuid4())}
    with override_settings(DIST_IDEMPOTENCY={"default": {"POLICY": {"all_views": True}}}):
        for path, status in (("/sign-in", 400), ("/login", 302)):
            for _ in range(2):
                answer = Client().post(path, {"username": "bob", "password": "secret"}, headers=key)
                assert (answer.status_code, answer.headers.get("Idempotent-Replayed")) == (status, None)


def after_stripe_shape(page: types.ModuleType) -> None:
    """Refusals as Stripe makes them."""
    key = {"Idempotency-Key": str(uuid.uuid4())}
    twice("/charges", **key)
    answer = Client().post("/charges", {"item": "gin"}, content_type="application/json", headers=key)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "idempotency_error")
    assert Client().post("/charges").json()["error"]["type"] == "invalid_request_error"


def after_fingerprint(page: types.ModuleType) -> None:
    """JSON in another order is the same order."""
    key = {"Idempotency-Key": str(uuid.uuid4())}
    bodies = (b'{"item": "tea", "cups": 2}', b'{"cups": 2, "item": "tea"}', b'{"cups": 3, "item": "tea"}')
    answers = [Client().post("/orders", body, content_type="application/json", headers=key) for body in bodies]
    told = [(answer.status_code, answer.headers.get("Idempotent-Replayed")) for answer in answers]
    assert told == [(201, None), (201, "true"), (422, None)]


def after_messages(page: types.ModuleType) -> None:
    """Each handler twice, by itself, by Celery, by a task, as a command and in a batch."""
    import asyncio
    from functools import partial

    message = {"id": "m-1", "item": "tea"}
    for handle in (
        partial(page.take_order, message),
        partial(page.Command().handle),
        partial(page.refund, message),
        partial(page.take_orders, [{"id": "m-2", "item": "tea"}] * 2),
        lambda: asyncio.run(page.greet(message)),
        *([lambda: page.pack.enqueue(7)] if hasattr(page, "pack") else []),
    ):
        before = Order.objects.count()
        handle()
        handle()
        assert Order.objects.count() == before + 1, handle
    order = Order.objects.create(item="tea")
    for paid in (True, False):
        page.order_paid.apply(args=[order.pk], throw=True)
        assert Order.objects.get(pk=order.pk).paid is paid
        Order.objects.filter(pk=order.pk).update(paid=False)
    assert page.refund(message) == page.refund(message)
    assert page.refund(message) is not None


def after_readme(page: types.ModuleType) -> None:
    """The one screen of code."""
    twice("/orders")
    assert problem("/orders") == "key-missing"


def after_complete(page: types.ModuleType) -> None:
    """A request that fails after its charge is completed by the command, and its client gets the answer."""
    from io import StringIO

    from django.core.management import call_command

    sent, create, out = {"Idempotency-Key": str(uuid.uuid4())}, Order.objects.create, StringIO()
    Order.objects.create = None  # type: ignore[method-assign, assignment]
    assert Client(raise_request_exception=False).post("/orders", headers=sent).status_code == 500
    Order.objects.create = create  # type: ignore[method-assign]
    call_command("dist_complete", backoff_s=0, stdout=out)
    assert out.getvalue().startswith("1 completed"), out.getvalue()
    again = Client().post("/orders", headers=sent)
    assert (again.status_code, again.headers.get("Idempotent-Replayed")) == (201, "true")
    assert (len(page.charges), Order.objects.count()) == (1, 1)


def after_versions(page: types.ModuleType) -> None:
    """If-Match in a view and a viewset, and the version in a body."""
    from shop.models import Product

    product = Product.objects.create(name="tea")

    def put(path: str, body: Any, **headers: str) -> Any:
        return Client().put(path.format(product.pk), body, "application/json", headers=headers)

    told = [put("/products/{}", "green tea", **{"If-Match": tag}).status_code for tag in ('"1"', '"1"')]
    assert told == [200, 412]
    for tag, status in (({}, 428), ({"If-Match": '"1"'}, 412), ({"If-Match": '"2"'}, 200)):
        assert put("/api/products/{}/", {"name": "black tea"}, **tag).status_code == status
    answers = [put("/api/edits/{}/", {"name": name, "version": 3}) for name in ("oolong", "white tea")]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert answers[1].json()["changes"] == {"name": {"mine": "white tea", "theirs": "oolong"}}
    edit_in_a_form(page, product)


def edit_in_a_form(page: types.ModuleType, product: Any) -> None:
    """Send one form twice, as two editors who have opened it at once."""
    from django.template import engines
    from django.test import override_settings

    def template(*_: Any) -> list[Any]:
        return ["form.html"]

    loaders = [("django.template.loaders.locmem.Loader", {"form.html": "{{ form.version_token }}{{ form.errors }}"})]
    setting = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "OPTIONS": {"loaders": loaders}}]
    page.EditProduct.get_template_names = template
    client, path = login(), f"/edit/{product.pk}"
    with override_settings(TEMPLATES=setting):
        assert engines.all()
        shown = client.get(path).content.decode()
        token = shown.partition('value="')[2].partition('"')[0]
        answers = [
            client.post(path, {"name": name, "stock": 1, "version_token": token}) for name in ("mate", "rooibos")
        ]
    assert [answer.status_code for answer in answers] == [302, 200]
    assert "Name is now" in answers[1].content.decode()
