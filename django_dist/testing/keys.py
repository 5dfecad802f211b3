"""Conformance: which keys are taken, which are one, and that no store is asked about the others."""

from typing import Final

from .harness import Harness

UUID4: Final = "9f8c3a52-6f5b-4f0e-8a3c-2d1b7e4a9c10"
UUID7: Final = "01935b8c-1f3a-7c4e-9b2d-5e6f7a8b9c0d"
MALFORMED: Final = {
    "empty": "",
    "empty in quotes": '""',
    "a word": "order-1",
    "31 digits": UUID4.replace("-", "")[1:],
    "a letter beyond f": UUID4.replace("a", "g"),
    "hyphens elsewhere": UUID4.replace("-", "", 1),
    "two different": f"{UUID4}, {UUID7}",
    "10,000 characters": "a" * 10_000,
    "a control character": UUID4[:-1] + "\x01",
    "a line break": UUID4 + "\r\nX: y",
    "not ASCII": UUID4[:-1] + "é",
    "digits of another script": "٣".encode().decode("latin-1") * 32,
    "half a quote": '"' + UUID4,
    "SQL": "'; DROP TABLE django_dist_request; --",
}


class Keys(Harness):
    """Rows of the table: key missing, malformed, twice; and its forms."""

    def test_request_without_a_key_runs_each_time_with_no_statement_of_ours(self) -> None:
        for _ in range(2):
            self.assert_anew(key=None)
        self.assertEqual((self.effects(), self.records().count()), (2, 0))
        with self.assert_silent():
            self.post(self.idle, key=None)

    def test_safe_method_with_a_key_is_left_alone(self) -> None:
        for method in ("GET", "HEAD", "OPTIONS"):
            with self.subTest(method=method), self.assert_silent():
                self.assertFalse(self.post(self.idle, method=method).replayed)
                self.assertFalse(self.post(self.idle, method=method).replayed)

    def test_methods_are_those_of_the_policy(self) -> None:
        for method in ("PUT", "DELETE"):
            with self.subTest(method=method), self.assert_silent():
                self.assertFalse(self.post(self.idle, method=method).replayed)
        with self.policy(methods=["PUT"]):
            self.assert_once(method="PUT")
            self.assert_anew(method="POST")

    def test_missing_key_is_400_where_required_and_no_store_is_asked(self) -> None:
        with self.assert_silent():
            reply = self.post(key=None, place="required")
        self.assert_problem(reply, 400, "key-missing")
        self.assertIn("Example: Idempotency-Key:", reply.json()["detail"])
        self.assertEqual(self.effects(), 0)
        self.assert_once(place="required")

    def test_malformed_key_is_400_and_no_store_is_asked(self) -> None:
        for case, key in MALFORMED.items():
            with self.subTest(case):
                with self.assert_silent():
                    reply = self.post(headers={"Idempotency-Key": key})
                self.assert_problem(reply, 400, "key-malformed")
                self.assertIn("Example: Idempotency-Key:", reply.json()["detail"])
        self.assertEqual(self.effects(), 0)

    def test_one_uuid_in_all_its_spellings_is_one_key(self) -> None:
        first = self.post(key=UUID4)
        digits = UUID4.replace("-", "")
        for key in (UUID4.upper(), digits, digits.upper(), f'"{UUID4}"', f" {UUID4} ", f"{UUID4}, {UUID4}"):
            with self.subTest(key):
                self.assert_again(self.post(key=key), first)
        self.assertEqual(self.effects(), 1)

    def test_uuid_of_any_version_and_variant_is_a_key(self) -> None:
        for key in (UUID7, "f" * 32, "0" * 32, "12345678-1234-1234-1234-123456789abc"):
            with self.subTest(key):
                self.assert_once(key=key)
        self.assertEqual(self.effects(), 4)

    def test_uuid4_and_uuid7_take_their_own_version_alone(self) -> None:
        for key_format, own, other in (("uuid4", UUID4, UUID7), ("uuid7", UUID7, UUID4)):
            with self.subTest(key_format), self.policy(key_format=key_format):
                self.assert_once(key=own)
                self.assert_problem(self.post(key=other), 400, "key-malformed")
                wrong_variant = own[:19] + "0" + own[20:]
                self.assert_problem(self.post(key=wrong_variant), 400, "key-malformed")

    def test_opaque_key_is_1_to_255_visible_characters_and_keeps_its_case(self) -> None:
        with self.policy(key_format="opaque"):
            for key in ("a", "A", "order:1/2;3", "z" * 255):
                with self.subTest(key):
                    self.assert_once(key=key)
            for key in ("z" * 256, "a b", "a,b", "ä", ""):
                with self.subTest(key):
                    self.assert_problem(self.post(headers={"Idempotency-Key": key}), 400, "key-malformed")
            self.assert_once(key='"in,quotes"')

    def test_quoted_key_and_bare_key_are_one(self) -> None:
        with self.policy(key_format="opaque"):
            first = self.post(key="order-1")
            self.assert_again(self.post(key='"order-1"'), first)

    def test_header_is_the_first_present_of_the_policys(self) -> None:
        with self.policy(header=["Idempotency-Key", "X-Request-Id"]):
            first = self.post(key=None, headers={"X-Request-Id": UUID4})
            self.assert_again(self.post(key=UUID4), first)
            self.assert_anew(key=UUID7, headers={"X-Request-Id": UUID4})
        self.assertEqual(self.effects(), 2)

    def test_different_keys_are_different_requests(self) -> None:
        for key in (UUID4, UUID7):
            self.assert_anew(key=key)
        self.assertEqual(self.effects(), 2)
