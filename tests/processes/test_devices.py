"""The page "your devices" of the example shop, over HTTP and in a browser: who is logged out is so at once."""

import re
from collections.abc import Iterator

import pytest
import requests

from browser import QUIET
from services import needs, url

from .shops import serving


class Device:
    """One browser of the user ``admin``."""

    def __init__(self, address: str, password: str, name: str) -> None:
        self._http, self._address = requests.Session(), address
        self._http.headers["User-Agent"] = name
        self.name = name
        answer = self.send("/login", {"username": "admin", "password": password}, page="/login")
        assert answer.url == f"{address}/devices", answer.text

    def send(self, path: str, form: dict[str, str], *, page: str = "/devices") -> requests.Response:
        """Post ``form`` as a form of ``page`` would."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(page).text)
        assert token, f"{page} has no form"
        return self._http.post(self._address + path, {**form, "csrfmiddlewaretoken": token[1]}, timeout=30)

    def post(self, path: str, form: dict[str, str]) -> requests.Response:
        """Post ``form`` as another site would: with the cookie, without the token."""
        return self._http.post(self._address + path, form, timeout=30)

    def get(self, path: str) -> requests.Response:
        return self._http.get(self._address + path, timeout=30)

    @property
    def is_in(self) -> bool:
        return self.get("/devices").url == f"{self._address}/devices"

    def ids(self) -> dict[str, str]:
        """Return the id behind each button of the page, by the name of its device."""
        rows = re.findall(r"<tr>\n<td>([^<]*)</td>(.*?)</tr>", self.get("/devices").text, re.DOTALL)
        found = {name: re.search(r'name="id" value="([^"]+)"', rest) for name, rest in rows}
        return {name: match[1] for name, match in found.items() if match}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Serve the shop; gives its address and the password of ``admin``."""
    with serving(tmp_path_factory.mktemp("devices")) as (client, password):
        yield f"http://127.0.0.1:{client.port}", password


def test_devices_are_listed_and_logged_out(shop: tuple[str, str]) -> None:
    phone, laptop, tablet = (Device(*shop, name) for name in ("Phone", "Laptop", "Tablet"))
    assert set(phone.ids()) == {"Laptop", "Tablet"}
    page = phone.get("/devices")
    assert "127.0.0.0" in page.text
    assert "no-store" in page.headers["Cache-Control"]
    assert not any(cookie in page.text for cookie in laptop._http.cookies.values())
    assert "That device is logged out." in phone.send("/devices/log-out", {"id": phone.ids()["Laptop"]}).text
    assert [device.is_in for device in (phone, laptop, tablet)] == [True, False, True]
    assert "on 1 other devices" in phone.send("/devices/log-out-others", {}).text
    assert [device.is_in for device in (phone, tablet)] == [True, False]
    other = Device(*shop, "Other")
    assert phone.send("/devices/log-out-everywhere", {}).url.endswith("/login")
    assert [device.is_in for device in (phone, other)] == [False, False]


def test_another_site_logs_nobody_out(shop: tuple[str, str]) -> None:
    phone, laptop = (Device(*shop, name) for name in ("Phone", "Laptop"))
    for path in ("/devices/log-out", "/devices/log-out-others", "/devices/log-out-everywhere"):
        assert phone.post(path, {"id": phone.ids()["Laptop"]}).status_code == 403
        assert phone.get(path).status_code == 405
    for wrong in ("", "nonsense", "0" * 32):
        assert "logged out already" in phone.send("/devices/log-out", {"id": wrong}).text
    assert [device.is_in for device in (phone, laptop)] == [True, True]
    phone.send("/devices/log-out-everywhere", {})


@needs("chromium")
def test_buttons_work_in_a_browser(shop: tuple[str, str]) -> None:
    from playwright.sync_api import expect, sync_playwright

    address, password = shop
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=url("chromium"), args=QUIET.split())
        pages = [browser.new_context(user_agent=name).new_page() for name in ("Phone", "Laptop")]
        for page in pages:
            page.goto(f"{address}/devices")
            page.get_by_label("Username").fill("admin")
            page.get_by_label("Password").fill(password)
            page.get_by_role("button", name="Log in").click()
            expect(page.get_by_role("heading", name="Your devices")).to_be_visible()
        phone, laptop = pages
        phone.reload()
        phone.get_by_role("row").filter(has_text="Laptop").get_by_role("button", name="Log out").click()
        expect(phone.get_by_role("status")).to_have_text("That device is logged out.")
        laptop.reload()
        expect(laptop.get_by_role("heading", name="Log in")).to_be_visible()
        phone.get_by_role("button", name="Log out everywhere").click()
        expect(phone.get_by_role("heading", name="Log in")).to_be_visible()
        browser.close()
