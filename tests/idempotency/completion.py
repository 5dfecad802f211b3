"""What holds for requests that nobody works on any more, through the real command, over any database."""

import json
from contextlib import suppress
from datetime import timedelta
from io import StringIO
from itertools import product
from unittest.mock import patch

from django.core.exceptions import PermissionDenied
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections
from django.db.models import Value
from django.db.models.functions import Concat, Substr, TruncSecond
from django.test import override_settings
from django.urls import path

from django_dist.clock import StoreNow
from django_dist.diagnosis import policies
from django_dist.exceptions import LeaseLost, OutcomeHeld, RequestInProgress, StepUnknown
from django_dist.idempotency import held
from django_dist.idempotency.completer import Completer, Patience
from django_dist.idempotency.registry import requests
from django_dist.models import RequestRecord
from django_dist.testing import stage
from django_dist.testing.harness import text
from django_dist.testing.leases import SHORT_S, Gone, LeaseHarness
from django_dist.testing.steps import Bank

HELD, RUNNING = RequestRecord.State.HELD, RequestRecord.State.RUNNING
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
UPLOAD = (
    b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    b'--b\r\nContent-Disposition: form-data; name="f"; filename="f.bin"\r\n\r\n\x00\xff\r\n--b--\r\n'
)


class Empty:
    """A site after a release that has dropped the view."""

    urlpatterns = []


class Bare:
    """A site after a release that has dropped the guard."""

    urlpatterns = [path("sync/<str:name>/", stage.run), path("async/<str:name>/", stage.arun)]


def complete(*options, backoff_s=0, **keywords):
    """Run the command until nothing is due; return its last line."""
    out = StringIO()
    call_command("dist_complete", *options, backoff_s=backoff_s, verbosity=0, stdout=out, **keywords)
    return out.getvalue().strip().splitlines()[-1]


class CompletionHarness(LeaseHarness):
    """A site whose views are completed."""

    def policy(self, **keywords):
        return super().policy(**{"completes": True, "keep_request": "plain", "wait": 0, **keywords})

    def failing(self, *failures, then=lambda: text("done", status=201)):
        """Return a view that writes, fails by each of ``failures`` in turn, and then answers."""
        to_come = list(failures)

        def view(request):
            self.effect("try")
            if to_come:
                raise to_come.pop(0)
            with request.idempotency.finishing():
                self.effect("end")
            return then()

        return view

    def leave_behind(self, view, error=Gone, **sent):
        """Send a request whose process is gone before it answers."""
        with self.assertRaises(error):
            self.post(view, raises=True, **sent)

    def tries(self):
        return self.effects(what="try")

    def record(self):
        return self.records().get()

    def assert_held(self, why):
        record = self.record()
        self.assertEqual(record.state, HELD, record.reason)
        self.assertIn(why, record.reason)

    def assert_completed(self, view, **sent):
        """Assert that the command ends the request, and that its client gets the answer then."""
        self.assertIn("1 completed, 0 failed, 0 held, 0 lost", complete())
        reply = self.post(view, **sent)
        self.assertTrue(reply.replayed, reply)
        return reply


class Completion(CompletionHarness):
    """Which requests are run again, and what becomes of them."""

    def test_request_that_was_left_is_run_to_its_end_and_its_client_gets_the_answer(self):
        view = self.failing(Gone())
        self.leave_behind(view)
        self.assertEqual(self.effects(what="end"), 0)
        reply = self.assert_completed(view)
        self.assertEqual((reply.status, reply.body), (201, b"done"))
        self.assertEqual((self.tries(), self.effects(what="end")), (2, 1))
        self.assertIn("0 completed", complete())
        self.assertIsNone(self.record().kept)

    def test_request_that_was_answered_5xx_is_run_to_its_end(self):
        view = self.failing(ValueError("on purpose"))
        self.assertEqual(self.post(view).status, 500)
        self.assert_completed(view)

    def test_refusal_is_an_end(self):
        view = self.failing(Gone(), then=lambda: text("no", status=402))
        self.leave_behind(view)
        self.assertEqual(self.assert_completed(view).status, 402)

    def test_request_whose_client_was_told_is_not_run_again(self):
        for number, status in enumerate((401, 403, 409, 429)):

            def view(request, status=status):
                self.effect("try")
                request.idempotency.step("note", lambda key: None)
                return text("", status=status)

            self.key = f"{number}" * 32
            self.assertEqual(self.post(view).status, status)
        self.assertEqual(self.post(self.failing(PermissionDenied()), key="a" * 32).status, 403)
        self.assertEqual(complete("--dry-run"), "0 due")
        self.assertIn("0 completed, 0 failed, 0 held", complete())
        self.assertEqual(self.tries(), 5)

    def test_request_at_work_is_left_alone(self):
        self.skip_unless_shared()
        seen = []

        def view(request):
            seen.append(self.aside(complete).result())
            return text("", status=201)

        self.post(view)
        self.assertEqual([line[:12] for line in seen], ["0 completed,"])

    def test_lease_that_has_run_out_is_taken_over_and_the_late_one_is_refused(self):
        self.skip_unless_shared()
        runs, lines = [], []

        def view(request):
            runs.append(request)
            if len(runs) == 1:
                self.lose(request)
                lines.append(self.aside(complete).result())
            with request.idempotency.finishing():
                self.effect("end")
            return text(f"run {len(runs)}", status=201)

        with self.policy(lease=SHORT_S):
            late = self.post(view)
        self.assertIn("1 completed", lines[0])
        self.assertEqual((late.body, late.replayed, self.effects(what="end")), (b"run 2", True, 1))

    def test_completer_that_has_lost_its_lease_is_refused_and_says_so(self):
        runs = []

        def view(request):
            runs.append(request)
            if len(runs) == 1:
                raise Gone
            self.addCleanup(self.take_over(request).let_go)
            if len(runs) == 2:
                request.idempotency.check()
            with request.idempotency.finishing():
                self.effect("end")
            return text("", status=201)

        with self.policy(lease=SHORT_S):
            self.leave_behind(view)
            self.assertIn("0 completed, 0 failed, 0 held, 1 lost", complete())
            runs.append(None)
            self.records().update(owner=None, leased_until=StoreNow())
            self.assertIn("0 completed, 0 failed, 0 held, 1 lost", complete())
        self.assertEqual(self.effects(what="end"), 0)

    def test_only_views_that_say_so_are_completed(self):
        for key, keywords in (("a", {"completes": False}), ("b", {"keep_request": None})):
            with self.policy(**keywords):
                self.leave_behind(self.failing(Gone()), key=key * 32)
                self.assertIn("0 completed, 0 failed, 0 held", complete())

    def test_steps_that_have_ended_are_not_called_again(self):
        bank, left = Bank(), [Gone()]

        def view(request):
            charged = request.idempotency.step("charge", bank.charge, 5)
            if left:
                raise left.pop()
            return text(str(charged), status=201)

        self.leave_behind(view)
        self.assertEqual(self.assert_completed(view).body, b"{'charge': 1, 'amount': 5}")
        self.assertEqual(len(bank.keys), 1)

    def test_oldest_is_first_and_every_one_is_run(self):
        order = []

        def view(request):
            order.append(request.idempotency.key[0])
            if len(order) <= 5:
                raise Gone
            return text("", status=201)

        for name in "12345":
            self.leave_behind(view, key=name * 32)
        self.assertEqual(complete("--dry-run"), "5 due")
        self.assertIn("5 completed", complete(batch=2))
        self.assertEqual("".join(order), "1234512345")

    def test_several_at_once_share_the_work(self):
        self.skip_unless_shared()
        started = []

        def view(request):
            started.append(request)
            if len(started) <= 12:
                raise Gone
            with request.idempotency.finishing():
                self.effect("end")
            return text("", status=201)

        for number in range(12):
            self.leave_behind(view, key=f"{number:032x}")
        lines = [future.result() for future in [self.aside(complete) for _ in range(4)]]
        self.assertEqual(sum(int(line.split()[0]) for line in lines), 12, lines)
        self.assertEqual((len(started), self.effects(what="end")), (24, 12))

    def test_purge_leaves_what_is_to_be_completed(self):
        self.leave_behind(self.failing(Gone()))
        self.records().update(expires_at=StoreNow())
        call_command("dist_purge", verbosity=0, stdout=StringIO())
        self.assertEqual(self.records().count(), 1)


class Patiences(CompletionHarness):
    """How often, and how long after."""

    def test_failures_are_counted_and_the_last_is_held_with_its_reason(self):
        def view(request):
            self.effect("try")
            raise KeyError("secret of the customer")

        self.assertEqual(self.post(view).status, 500)
        self.assertIn("0 completed, 2 failed, 1 held", complete("--max-attempts", "4"))
        self.assertEqual(self.tries(), 4)
        self.assert_held("4 tries have ended without an answer to keep, the last answered 500 (KeyError)")
        self.assertNotIn("secret", self.record().reason)
        self.assert_problem(self.post(view), 409, "outcome-held")
        self.assertIn("0 completed, 0 failed, 0 held", complete("--max-attempts", "9"))

    def test_request_that_kills_every_process_is_held_without_being_run(self):
        self.leave_behind(self.failing(Gone()))
        for tries in (3, 2**15 - 1):
            self.records().update(attempts=tries, state=RUNNING)
            self.assertIn("1 held", complete("--max-attempts", "3"))
            self.assert_held("tries have ended without an answer")
        self.assertEqual(self.tries(), 1)

    def test_pause_after_a_try_grows(self):
        self.leave_behind(self.failing(Gone()))
        store, row = requests["default"], self.records().get()
        left = row.leased_until
        for tries, pause in ((0, 0), (1, 100), (2, 200), (3, 400), (5, 1600), (7, 3600), (9, 3600)):
            for age, due in ((pause - 20, 0), (pause + 20, 1)):
                if age >= 0:
                    self.records().update(attempts=tries, leased_until=left - timedelta(seconds=age))
                    with self.subTest(tries=tries, age=age):
                        self.assertEqual(Completer(store, Patience(10, 100.0)).due().count(), due)

    def test_one_that_was_tried_meanwhile_is_not_taken_as_it_was_seen(self):
        view = self.failing(Gone(), ValueError())
        self.leave_behind(view)
        first, second = (Completer(requests["default"], Patience(9, 0.0)) for _ in range(2))
        ((digest, attempts),) = second.seen(9)
        self.assertEqual(first.drive(digest, attempts).value, "failed")
        self.assertIsNone(second.drive(digest, attempts))
        self.assertEqual(self.tries(), 2)

    def test_time_that_is_over_is_for_an_operator(self):
        self.leave_behind(self.failing(Gone()))
        self.records().update(expires_at=StoreNow())
        self.assertIn("1 held", complete())
        self.assert_held("its time was over")
        self.assertEqual(self.tries(), 1)

    def test_answers_that_pass_are_tried_again(self):
        answers = [429, 409, 503]

        def view(request):
            self.effect("try")
            if self.tries() == 1:
                raise Gone
            return text("", status=answers.pop(0) if answers else 201)

        self.leave_behind(view)
        self.assertIn("1 completed, 3 failed, 0 held", complete())

    def test_limit_begins_no_more(self):
        self.leave_behind(self.failing(Gone()))
        self.assertIn("0 completed", complete("--limit-s", "0.000001"))


class Kept(CompletionHarness):
    """What the view sees again, and what is never stored."""

    def test_view_sees_the_request_as_it_was(self):
        seen = []

        def view(request):
            files = {name: file.read() for name, file in request.FILES.items()}
            own = request.idempotency
            seen.append(
                [request.method, request.get_full_path(), request.build_absolute_uri(), request.is_secure()]
                + [request.content_type, dict(request.POST), dict(request.GET), files, request.path_info]
                + [request.headers.get(name) for name in ("Accept", "Accept-Language", "X-Tenant", "Idempotency-Key")]
                + [own.key, own.digest, own.derive("x"), None if request.POST else request.body]
            )
            if len(seen) % 2:
                raise Gone
            return text("", status=201)

        headers = {
            "Accept": "text/html",
            "Accept-Language": "de",
            "X-Tenant": "t",
            "X-Forwarded-Host": "shop.example:81",
        }
        bodies = ((b'{"a": "\xc3\xa4"}', "application/json"), (b"a=1&b=%20", FORM), (UPLOAD, MULTIPART), (b"", ""))
        with self.policy(keep_headers=["X-Tenant", "accept", "Accept-Language"], methods=["PUT", "POST"]):
            for number, ((body, kind), method) in enumerate(product(bodies, ("POST", "PUT"))):
                sent = {"body": body, "content_type": kind, "path": "%C3%A4%2F?q=1&q=%C3%A4", "method": method}
                self.leave_behind(view, key=f"{number}" * 32, headers=headers, **sent)
                self.assertIn("1 completed", complete())
                self.assertEqual(seen[-1], seen[-2])

    def test_credentials_are_never_in_the_database(self):
        secrets = {"Authorization": "Bearer s3cr3t-a", "Cookie": "sessionid=s3cr3t-b", "X-API-Key": "s3cr3t-c"}
        secrets |= {"X-CSRFToken": "s3cr3t-d", "Proxy-Authorization": "s3cr3t-e", "X-Other": "s3cr3t-f"}
        self.leave_behind(self.failing(Gone()), headers=secrets)
        row = self.records().values().get()
        self.assertIn(b'{"item": 1}', bytes(row["kept"]))
        self.assertNotIn("s3cr3t", repr({**row, "kept": bytes(row["kept"])}))

    def test_encrypted_request_is_not_readable_and_is_completed(self):
        view = self.failing(Gone())
        with self.policy(keep_request="encrypted"):
            self.leave_behind(view, body=b"number=4111111111111111", content_type=FORM)
            kept = bytes(self.record().kept)
            for part in (b"4111", b"POST", b"failing", self.key.encode()):
                self.assertNotIn(part, kept)
            self.assert_completed(view, body=b"number=4111111111111111", content_type=FORM)

    def test_rotated_secret_key_completes_while_it_is_a_fallback_and_is_held_after(self):
        with self.policy(keep_request="encrypted"):
            for key in ("a" * 32, "b" * 32):
                with override_settings(SECRET_KEY="the old one"):
                    self.leave_behind(self.failing(Gone()), key=key)
                fallbacks = ["another", "the old one"] if key[0] == "a" else []
                with override_settings(SECRET_KEY="the new one", SECRET_KEY_FALLBACKS=fallbacks):
                    line = complete()
                self.assertIn("1 completed" if fallbacks else "1 held", line)
        held = self.records().get(state=HELD)
        self.assertIn("put that key into SECRET_KEY_FALLBACKS", held.reason)
        with self.policy(keep_request="encrypted"), override_settings(SECRET_KEY="the old one"):
            complete("--release", str(held.pk))
            self.assertIn("1 completed", complete())

    def test_long_body_is_not_kept_and_its_client_can_repeat_it(self):
        view = self.failing(Gone(), Gone())
        with self.policy(max_request_bytes=10):
            with self.assertLogs("django_dist.idempotency", "WARNING") as logged:
                self.leave_behind(view, body=b"12345678901")
            self.assertIn("max_request_bytes=10", logged.output[0])
            self.assertIn("0 completed", complete())
            self.leave_behind(view, body=b"1234567890", key="a" * 32)
            self.assertIn("1 completed", complete())
            self.assertEqual(self.post(view, body=b"12345678901").status, 201)

    def test_what_was_kept_and_is_damaged_is_held(self):
        for number, kept in enumerate((b"{", b"{}\n", b'{"form": 2}\n', b'{"form": 1, "odd": 1}\n', b"[]\n", b"\x00")):
            self.key = f"{number}" * 32
            self.leave_behind(self.failing(Gone()))
            self.records().filter(state=RUNNING).update(kept=kept)
            self.assertIn("1 held", complete())
        self.assertEqual(self.tries(), 6)
        self.assertTrue(all(record.reason for record in self.records()))

    def test_request_that_cannot_be_made_again_stops_no_other(self):
        odd = [{"user": ["auth.user", "x"]}, {"user": ["auth"]}, {"headers": 1}, {"max_run": None}, {"path": None}]
        for number, facts in enumerate(odd):
            self.leave_behind(self.failing(Gone()), key=f"{number}" * 32)
            row = self.records().get(state=RUNNING)
            head, _, body = bytes(row.kept).partition(b"\n")
            kept = json.dumps({**json.loads(head), **facts}).encode() + b"\n" + body
            self.records().filter(pk=row.pk).update(kept=kept)
            with self.subTest(facts=facts):
                self.assertIn("1 held", complete())
        self.assertEqual(self.tries(), len(odd))

    def test_host_that_is_none_is_run_again_as_it_came(self):
        seen = []

        def view(request):
            seen.append((request._get_raw_host(), request.META["SERVER_PORT"]))
            if len(seen) % 2:
                raise Gone
            return text("", status=201)

        for number, (host, port) in enumerate(
            (("shop:99999", "99999"), ("shop:x", "80"), ("[::1", "80"), ("a b", "80"))
        ):
            self.leave_behind(view, key=f"{number}" * 32, headers={"Host": host, "X-Forwarded-Host": host})
            self.assertIn("1 completed", complete())
            self.assertEqual(seen[-1], (host, port))

    def test_request_kept_in_plain_is_not_run_where_all_are_sealed(self):
        view = self.failing(Gone())
        self.leave_behind(view)
        with self.policy(keep_request="encrypted"), patch.object(policies, "SOURCES", []):
            self.assertIn("1 held", complete())
        self.assert_held("kept in plain")
        self.assertEqual(self.tries(), 1)
        complete("--release", str(self.record().pk))
        self.assert_completed(view)

    def test_user_that_is_no_model_is_not_kept(self):
        self.leave_behind(self.failing(Gone()), visitor="alice")
        self.assertIn("0 completed, 0 failed, 0 held", complete())


class Decisions(CompletionHarness):
    """What is held, and what an operator does about it."""

    def paying(self, bank, **keywords):
        def view(request):
            charged = request.idempotency.step("charge", bank.charge, 5, **{"on_unknown": "hold", **keywords})
            self.effect("try")
            return text(str(charged), status=201)

        return view

    def held(self, bank=None, **keywords):
        bank = bank or Bank(Gone())
        view = self.paying(bank, **keywords)
        self.leave_behind(view)
        self.assertIn("0 completed, 0 failed, 1 held", complete())
        return bank, view, str(self.record().pk)

    def test_step_of_unknown_outcome_is_held_and_listed_with_its_reason(self):
        bank, view, digest = self.held()
        self.assertEqual(len(bank.keys), 1)
        out = StringIO()
        call_command("dist_complete", "--list", stdout=out)
        for part in (digest, "anonymous", "step 'charge': an earlier try ended in it", "1 held"):
            self.assertIn(part, out.getvalue())
        self.assert_problem(self.post(view), 409, "outcome-held")

    def test_view_that_swallows_the_refusal_is_held_all_the_same(self):
        bank = Bank(Gone())

        def view(request):
            own = request.idempotency
            with suppress(OutcomeHeld):
                own.step("charge", bank.charge, 5, on_unknown="hold")
            with suppress(LeaseLost):
                own.step("next", bank.charge, 5)
            return text("", status=201)

        self.leave_behind(view)
        self.assertIn("0 completed, 0 failed, 1 held, 0 lost", complete())
        self.assertEqual((len(bank.keys), self.record().state), (1, HELD))

    def test_step_that_took_effect_is_given_its_result(self):
        bank, view, digest = self.held()
        complete("--resolve", digest, "charge", json.dumps({"charge": 7}))
        self.assertEqual(self.assert_completed(view).body, b"{'charge': 7}")
        self.assertEqual(len(bank.keys), 1)

    def test_step_that_did_not_is_called_again_under_the_same_key(self):
        bank, view, digest = self.held()
        complete("--rerun", digest)
        self.assert_completed(view)
        self.assertEqual((len(bank.keys), len(set(bank.keys))), (2, 1))

    def test_decision_finds_what_is_held_since_a_whole_second(self):
        _, view, digest = self.held()
        whole = TruncSecond("leased_until")
        if connections[self.database].vendor == "sqlite":  # as its own clock writes it, with all zeros
            whole = Concat(Substr("leased_until", 1, 20), Value("000000"))
        self.records().update(leased_until=whole)
        complete("--rerun", digest)
        self.assert_completed(view)

    def test_released_request_asks_its_resolver_again(self):
        answers = [StepUnknown(), {"found": 1}]

        def resolver(key, amount):
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        bank, view, digest = self.held(on_unknown=resolver)
        complete("--release", digest)
        self.assertEqual(self.assert_completed(view).body, b"{'found': 1}")
        self.assertEqual(len(bank.keys), 1)

    def test_released_request_can_be_repeated_by_its_client_and_begins_its_time_anew(self):
        bank, view, digest = self.held()
        self.records().update(expires_at=StoreNow())
        complete("--rerun", digest)
        self.assertGreater(self.record().expires_at, self.record().leased_until + timedelta(hours=23))
        self.assertEqual(self.post(view).status, 201)
        self.assertEqual((len(bank.keys), self.record().attempts), (2, 1))

    def test_forgotten_request_runs_from_its_beginning(self):
        _, view, digest = self.held()
        complete("--forget", digest)
        self.assertEqual(self.records().count(), 0)
        self.assertEqual(self.post(view).status, 201)

    def test_decision_about_what_is_not_held_is_an_error(self):
        self.leave_behind(self.failing(Gone()))
        digest = str(self.record().pk)
        for options in (["--release"], ["--rerun"], ["--forget"]):
            with self.assertRaisesRegex(CommandError, "is not held"):
                complete(*options, digest)
        with self.assertRaisesRegex(CommandError, "is not held"):
            complete("--resolve", digest, "charge", "1")
        self.assertEqual(self.record().state, RUNNING)

    def test_result_of_a_step_that_is_known_or_no_json_is_an_error(self):
        _, _, digest = self.held()
        for step, result, why in (("other", "1", "unknown are \\['charge'\\]"), ("charge", "{", "Expecting")):
            with self.assertRaisesRegex(CommandError, why):
                complete("--resolve", digest, step, result)
        self.assertEqual(self.record().state, HELD)

    def test_decision_about_what_was_held_again_meanwhile_is_not_heard(self):
        bank, _, digest = self.held(Bank(Gone(), StepUnknown()))
        decided = held._free

        def late(database, row, steps):
            with patch.object(held, "_free", decided):
                complete("--rerun", digest)
                self.assertIn("1 held", complete())
            return decided(database, row, steps)

        with patch.object(held, "_free", late), self.assertRaisesRegex(CommandError, "is not held"):
            complete("--resolve", digest, "charge", "7")
        self.assertEqual((self.record().state, len(bank.keys)), (HELD, 2))

    def test_two_deeds_at_once_are_an_error_and_neither_is_done(self):
        _, _, digest = self.held()
        for deeds in (["--rerun", digest, "--dry-run"], ["--list", "--forget", digest]):
            with self.assertRaisesRegex(CommandError, "not allowed with"):
                complete(*deeds)
        self.assertEqual(self.record().state, HELD)

    def test_wrong_options_are_errors_that_name_them(self):
        for options in (["--batch", "0"], ["--max-attempts", "0"], ["--max-attempts", "101"], ["--every", "0"]):
            with self.assertRaisesRegex(CommandError, options[0]):
                complete(*options)
        for options in ({"backoff_s": -1}, {"backoff_s": float("nan")}, {"limit_s": -1.0}):
            with self.assertRaises(CommandError):
                complete(**options)


class Releases(CompletionHarness):
    """A site that has changed since the request was left."""

    def charging(self, bank, *left):
        left = list(left)

        def view(request):
            charged = request.idempotency.step("charge", bank.charge, 5)
            if left:
                raise left.pop()
            return text(str(charged), status=201)

        return view

    def test_view_that_is_gone_is_held_and_can_be_released(self):
        bank = Bank()
        view = self.charging(bank, Gone())
        self.leave_behind(view)
        with override_settings(ROOT_URLCONF=Empty):
            self.assertIn("1 held", complete())
        self.assert_held("not reached under a guard any more: answered 404")
        complete("--release", str(self.record().pk))
        self.assert_completed(view)
        self.assertEqual(len(bank.keys), 1)

    def test_guard_that_is_gone_calls_no_step_twice_and_is_held(self):
        bank = Bank()
        view = self.charging(bank, Gone())
        self.leave_behind(view)
        with override_settings(ROOT_URLCONF=Bare):
            self.assertIn("1 held", complete())
        self.assert_held("not reached under a guard any more: answered 201")
        self.assertEqual(len(bank.keys), 1)

    def test_mode_that_has_changed_does_not_matter(self):
        bank = Bank()
        view = self.charging(bank, Gone())
        self.leave_behind(view)
        with self.policy(mode="atomic"):
            self.assertIn("1 completed", complete())
        self.assertEqual(len(bank.keys), 1)

    def test_errors_that_are_propagated_stop_nothing(self):
        view = self.failing(Gone(), ValueError())
        self.leave_behind(view)
        with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=True):
            self.assertIn("1 completed, 1 failed", complete())

    def test_client_that_asks_while_it_is_completed_is_told_so(self):
        self.skip_unless_shared()
        replies = []

        def view(request):
            replies.append(None)
            if len(replies) == 1:
                raise Gone
            replies.append(self.aside(self.post, view).result())
            return text("", status=201)

        self.leave_behind(view)
        self.assertIn("1 completed", complete())
        self.assert_problem(replies[-1], RequestInProgress.status, "in-progress")


class CompletionSuite(Completion, Patiences, Kept, Decisions, Releases):
    """All of it."""
