"""Conformance: whose key it is, and which requests are the same."""

from django.http import HttpRequest, HttpResponseBase
from django.test import modify_settings, override_settings

from .harness import Harness, text

CSRF = {"prepend": "django.middleware.csrf.CsrfViewMiddleware"}
TOKEN = "t" * 32


class Scopes(Harness):
    """Rows of the table: another user, nobody, other credentials."""

    def test_another_user_has_a_request_of_its_own(self) -> None:
        first = self.assert_once(visitor="alice")
        self.assertNotEqual(self.assert_anew(visitor="bob").body, first.body)
        self.assertEqual(self.effects(), 2)

    def test_nobody_never_gets_a_users_answer(self) -> None:
        first = self.assert_once(visitor="alice")
        self.assertNotEqual(self.assert_anew().body, first.body)
        self.assert_anew(visitor="bob")
        self.assertEqual(self.effects(), 3)

    def test_user_with_a_new_token_gets_a_replay(self) -> None:
        first = self.post(visitor="alice", headers={"Authorization": "Bearer old"})
        self.assert_again(self.post(visitor="alice", headers={"Authorization": "Bearer new"}), first)

    def test_nobody_with_other_credentials_is_refused_and_the_view_does_not_run(self) -> None:
        for name in ("Authorization", "X-API-Key"):
            with self.subTest(name):
                key = f"{len(name):032x}"
                first = self.assert_once(key=key, headers={name: "mine"})
                for sent in ({name: "theirs"}, {}):
                    self.assert_problem(self.post(key=key, headers=sent), 422, "credentials-differ")
                self.assert_again(self.post(key=key, headers={name: "mine"}), first)
        self.assertEqual(self.effects(), 2)

    def test_nobody_without_credentials_is_refused_when_some_appear(self) -> None:
        first = self.assert_once()
        self.assert_problem(self.post(headers={"Authorization": "Basic eA=="}), 422, "credentials-differ")
        self.assert_again(self.post(), first)

    def test_cookie_that_appears_does_not_matter(self) -> None:
        first = self.post()
        self.assert_again(self.post(headers={"Cookie": "sessionid=new; csrftoken=x"}), first)

    def test_policy_names_the_credentials(self) -> None:
        with self.policy(credentials=["X-Own"]):
            first = self.post(headers={"X-Own": "mine", "Authorization": "one"})
            self.assert_again(self.post(headers={"X-Own": "mine", "Authorization": "two"}), first)
            self.assert_problem(self.post(headers={"X-Own": "theirs"}), 422, "credentials-differ")

    def test_rotated_secret_key_keeps_the_binding_while_it_is_a_fallback(self) -> None:
        mine = {"Authorization": "mine"}
        with override_settings(SECRET_KEY="old" * 20, SECRET_KEY_FALLBACKS=[]):
            first = self.post(headers=mine)
        with override_settings(SECRET_KEY="new" * 20, SECRET_KEY_FALLBACKS=["old" * 20]):
            self.assert_again(self.post(headers=mine), first)
            self.assert_problem(self.post(headers={"Authorization": "theirs"}), 422, "credentials-differ")
        with override_settings(SECRET_KEY="new" * 20, SECRET_KEY_FALLBACKS=[]):
            self.assert_problem(self.post(headers=mine), 422, "credentials-differ")
        self.assertEqual(self.effects(), 1)

    def test_scope_credentials_gives_each_value_a_space_of_its_own(self) -> None:
        with self.policy(scope="credentials"):
            for value in ("mine", "theirs"):
                self.assert_once(headers={"Authorization": value})
            self.assert_once()
        self.assertEqual(self.effects(), 3)

    def test_scope_function_separates_tenants(self) -> None:
        with self.policy(scope=lambda request: request.headers.get("X-Tenant")):
            for tenant in ("north", "south"):
                self.assert_once(visitor="alice", headers={"X-Tenant": tenant})
            first = self.assert_once()
            self.assert_problem(self.post(headers={"Authorization": "mine"}), 422, "credentials-differ")
            self.assert_again(self.post(), first)
        self.assertEqual(self.effects(), 3)

    def test_label_of_a_scope_cannot_be_forged(self) -> None:
        self.assert_once(visitor="alice")
        with self.policy(scope=lambda request: "user:Visitor:alice"):
            self.assert_anew()
        with self.policy(scope=lambda request: "anonymous"):
            self.assert_anew()
        self.assert_anew()


class Sameness(Harness):
    """Rows of the table: other method, path, query, body; CSRF."""

    def test_other_request_under_the_key_is_refused_and_the_view_does_not_run(self) -> None:
        def other(request: HttpRequest) -> HttpResponseBase:
            return self.order(request)

        first = self.assert_once(path="?a=1")
        others = {
            "method": {"method": "PATCH", "path": "?a=1"},
            "path": {"path": "more?a=1"},
            "view": {"view": other, "path": "?a=1"},
            "query": {"path": "?a=2"},
            "no query": {"path": ""},
            "body": {"body": b'{"item": 2}', "path": "?a=1"},
            "longer body": {"body": b'{"item": 1} ', "path": "?a=1"},
            "no body": {"body": b"", "path": "?a=1"},
            "host": {"headers": {"X-Forwarded-Host": "other.example"}, "path": "?a=1"},
            "content type": {"content_type": "text/plain", "path": "?a=1"},
        }
        for case, request in others.items():
            with self.subTest(case):
                self.assert_problem(self.post(**request), 422, "key-reused")  # type: ignore[arg-type]
        self.assert_again(self.post(path="?a=1"), first)
        self.assertEqual(self.effects(), 1)

    def test_fingerprint_function_says_what_of_the_body_must_be_the_same(self) -> None:
        with self.policy(fingerprint=lambda request: request.headers["X-Order"]):
            first = self.post(headers={"X-Order": "1"}, body=b"one")
            self.assert_again(self.post(headers={"X-Order": "1"}, body=b"two"), first)
            self.assert_problem(self.post(headers={"X-Order": "2"}, body=b"one"), 422, "key-reused")

    def test_refusal_can_be_shaped_by_the_policy(self) -> None:
        def own(request: HttpRequest, error: Exception) -> HttpResponseBase:
            return text(type(error).__name__, status=418)

        with self.policy(problem=own):
            reply = self.post(headers={"Idempotency-Key": "?"})
        self.assertEqual((reply.status, reply.body), (418, b"KeyMalformed"))

    def test_csrf_failure_is_not_recorded_and_the_fixed_request_runs(self) -> None:
        with modify_settings(MIDDLEWARE=CSRF):
            for _ in range(2):
                with self.assert_silent():
                    self.assertEqual(self.post(csrf=True).status, 403)
            fixed = {"Cookie": f"csrftoken={TOKEN}", "X-CSRFToken": TOKEN}
            first = self.post(csrf=True, headers=fixed)
            self.assertEqual((first.status, first.replayed), (201, False))
            self.assert_again(self.post(csrf=True, headers=fixed), first)
            self.assertEqual(self.post(csrf=True).status, 403)
        self.assertEqual(self.effects(), 1)

    def test_form_that_csrf_has_read_is_the_same_form(self) -> None:
        def form(request: HttpRequest) -> HttpResponseBase:
            self.effect(request.POST["item"])
            return text(request.POST["item"])

        def send(item: str) -> dict[str, object]:
            body = f"csrfmiddlewaretoken={TOKEN}&item={item}".encode()
            kind = "application/x-www-form-urlencoded"
            return {"csrf": True, "body": body, "content_type": kind, "headers": {"Cookie": f"csrftoken={TOKEN}"}}

        with modify_settings(MIDDLEWARE=CSRF):
            self.assertEqual(self.assert_once(form, **send("tea")).body, b"tea")
            self.assert_problem(self.post(form, **send("ale")), 422, "key-reused")  # type: ignore[arg-type]
