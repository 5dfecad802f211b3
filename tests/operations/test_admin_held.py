"""The admin of held requests: why, how far, and what an operator may decide."""

from django.test import override_settings

from django_dist.clock import StoreNow
from django_dist.models import RequestRecord

from .records import make
from .test_admin import LIST, AdminCase

HELD, RUNNING, FINISHED = (RequestRecord.State[name] for name in ("HELD", "RUNNING", "FINISHED"))
STEPS = '{"charge":{"called":true},"mail":{"result":"s3cr3t"}}'


@override_settings(ROOT_URLCONF="operations.test_admin")
class HeldTests(AdminCase):
    def setUp(self):
        super().setUp()
        self.operator = self.signed_in("view_requestrecord", "change_requestrecord")
        self.record = make(state=HELD, status=0, reason="step 'charge': why", steps=STEPS, attempts=3)
        RequestRecord.objects.update(leased_until=StoreNow())

    def decide(self, action, client=None, *, records=None):
        chosen = [str(record.pk) for record in records or [self.record]]
        data = {"action": action, "_selected_action": chosen}
        response = (client or self.operator).post(LIST, data, follow=True)
        self.record.refresh_from_db()
        return response

    def test_list_and_record_say_why_and_how_far(self):
        self.assertIn("step &#x27;charge&#x27;: why", self.client.get(LIST).content.decode())
        page = self.client.get(f"{LIST}{self.record.pk}/change/").content.decode()
        for part in ("step &#x27;charge&#x27;: why", "charge: called, outcome unknown", "mail: ended"):
            self.assertIn(part, page)
        self.assertNotIn("s3cr3t", page)

    def test_held_ones_can_be_filtered(self):
        make()
        self.assertEqual(self.listed(state__exact=HELD), {self.record.pk})

    def test_release_lets_the_next_try_go_on(self):
        response = self.decide("release_held")
        self.assertContains(response, "1 of 1 were held and are released.")
        self.assertEqual((self.record.state, self.record.attempts, self.record.steps), (RUNNING, 0, STEPS))

    def test_rerun_forgets_the_unknown_step_alone(self):
        self.decide("rerun_held")
        self.assertEqual((self.record.state, self.record.steps), (RUNNING, '{"mail":{"result":"s3cr3t"}}'))

    def test_what_is_not_held_is_left_alone(self):
        other = make()
        response = self.decide("release_held", records=[self.record, other])
        self.assertContains(response, "1 of 2 were held and are released.")
        other.refresh_from_db()
        self.assertEqual(other.state, FINISHED)

    def test_decision_is_logged_with_who_made_it(self):
        from django.contrib.admin.models import LogEntry

        self.decide("release_held")
        entry = LogEntry.objects.get()
        self.assertEqual((entry.object_id, entry.change_message), (str(self.record.pk), "release"))

    def test_who_may_only_look_decides_nothing(self):
        page = self.client.get(LIST).content.decode()
        self.assertNotIn("release_held", page)
        self.decide("release_held", self.client)
        self.assertEqual(self.record.state, HELD)
        self.assertIn("release_held", self.operator.get(LIST).content.decode())
