"""Two editors in two browsers: the second is shown what the first has changed, goes on from his own, and saves."""

from django.contrib.auth.models import User
from django.contrib.staticfiles.testing import StaticLiveServerTestCase
from django.test import Client, override_settings

from browser import QUIET
from concurrency import admin_site
from services import needs, url
from testapp.models import Article


@needs("chromium")
@override_settings(ROOT_URLCONF=admin_site.__name__)
class TwoEditors(StaticLiveServerTestCase):
    def cookie(self, name):
        """Return the cookie of a session of the new editor ``name``."""
        client = Client()
        client.force_login(User.objects.create(username=name, is_staff=True, is_superuser=True))
        return {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": self.live_server_url}

    def test_conflict_is_shown_and_the_editor_goes_on(self):
        article = Article.objects.create(title="tea", body="Leaves, water.")
        cookies = [self.cookie(name) for name in ("ann", "bob")]
        self.edit(f"{self.live_server_url}/admin/testapp/article/{article.pk}/change/", cookies)
        found = Article.objects.get()
        self.assertEqual((found.title, found.kind, found.version), ("black tea", "e", 3))

    def edit(self, address, cookies):
        """Let both open the page and save; no query is made here, for Playwright has an event loop of its own."""
        from playwright.sync_api import expect, sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=url("chromium"), args=QUIET.split())
            ann, bob = (browser.new_context(viewport={"width": 1280, "height": 900}) for _ in cookies)
            for context, cookie in zip((ann, bob), cookies, strict=True):
                context.add_cookies([cookie])
            first, second = ann.new_page(), bob.new_page()
            errors = []
            second.on("pageerror", lambda error: errors.append(error))
            for page in (first, second):
                page.goto(address)
            first.get_by_label("Title").first.fill("green tea")
            first.get_by_label("Kind").select_option("e")
            first.get_by_role("button", name="Save", exact=True).click()
            first.get_by_text("was changed successfully").wait_for()
            second.get_by_label("Title").first.fill("black tea")
            second.get_by_role("button", name="Save", exact=True).click()
            conflict = second.get_by_role("region", name="Changed since you opened it: article “green tea”")
            expect(conflict).to_be_visible()
            cells = conflict.get_by_role("row").filter(has=second.get_by_role("rowheader", name="Title"))
            expect(cells.get_by_role("cell")).to_have_text(["tea", "green tea", "black tea", "yours"])
            expect(conflict).to_contain_text("ann")
            expect(second.get_by_label("Title").first).to_have_value("black tea")
            expect(second.get_by_label("Kind")).to_have_value("e")
            expect(second.get_by_role("link", name="go on from what is stored now")).to_be_visible()
            second.get_by_role("button", name="Save", exact=True).click()
            second.get_by_text("was changed successfully").wait_for()
            self.assertEqual(errors, [])
            browser.close()
