"""The cookie engine in front of real limits: headless Chromium, and nginx with its default buffers."""

import http.client
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit

from django.http import HttpResponse
from django.test import LiveServerTestCase, override_settings
from django.urls import path

from browser import QUIET
from django_dist.sessions import cookie_form
from django_dist.sessions.cookie import SessionStore
from django_dist.sessions.cookie_size import overhead
from services import needs, url
from sessions.test_cookie import AGE, incompressible, with_options

NAME = "sessionid"
#: Nothing of what sizes the buffers is set.
NGINX = """
daemon off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {address}; }} }}
}}
"""


def write(request):
    request.session["v"] = incompressible(int(request.GET["length"]))
    return HttpResponse("written")


def read(request):
    return HttpResponse(f"{len(request.session.get('v', ''))} characters")


urlpatterns = [path("write", write), path("read", read)]


def value_bytes(length):
    """Return the length of the cookie's value for a text of ``length`` characters."""
    session = SessionStore()
    session["v"] = incompressible(length)
    session.save()
    return len(session.session_key)


def longest(most):
    """Return the longest text whose cookie's value has at most ``most`` bytes."""
    with with_options(budget_bytes=9000, hard_limit_bytes=9000):
        return max(length for length in range(2000, 4000) if value_bytes(length) <= most)


@contextmanager
def nginx(address):
    """Run nginx in front of ``address``; yield its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "conf").write_text(NGINX.format(folder=folder, port=port, address=address))
        command = [url("nginx"), "-p", folder, "-e", f"{folder}/error.log", "-c", f"{folder}/conf"]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            try:
                await_port(port, process)
                yield f"http://127.0.0.1:{port}"
            finally:
                process.terminate()


def await_port(port, process):
    """Return once somebody listens on ``port``."""
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None:
                raise RuntimeError("nginx did not start") from None
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("nginx does not answer after 30 s")


@override_settings(
    ROOT_URLCONF=__name__,
    MIDDLEWARE=["django_dist.sessions.SessionMiddleware"],
    SESSION_ENGINE="django_dist.sessions.cookie",
)
class CookieTests(LiveServerTestCase):
    def setUp(self):
        now = cookie_form.now()
        standing = patch.object(cookie_form, "now", lambda: now)  # the time is in the cookie, and compressed with it
        standing.start()
        self.addCleanup(standing.stop)

    def visited(self, address, *pages):
        """Return what one browser is shown of ``pages``, in turn."""
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=url("chromium"), args=QUIET.split())
            page = browser.new_page()
            shown = []
            for each in pages:
                page.goto(f"{address}{each}")
                shown.append(page.inner_text("body"))
            browser.close()
        return shown

    @needs("chromium")
    def test_browser_keeps_what_is_as_long_as_the_limit_and_drops_a_byte_more(self):
        with with_options(budget_bytes=9000, hard_limit_bytes=4097):
            length = longest(4096 - len(NAME))
            rest = 4096 - value_bytes(length)
            for limit, kept in ((4096, length), (4097, 0)):
                # The name makes up what the steps of base64 leave.
                name = "n" * (rest + limit - 4096)
                with self.subTest(limit=limit), override_settings(SESSION_COOKIE_NAME=name):
                    shown = self.visited(self.live_server_url, f"/write?length={length}", "/read")
                    self.assertEqual(shown, ["written", f"{kept} characters"])

    @needs("chromium", "nginx")
    def test_session_as_long_as_the_budget_passes_through_nginx_and_a_browser(self):
        length = longest(3500 - overhead(AGE))
        with nginx(self.live_server_url) as address:
            shown = self.visited(address, f"/write?length={length}", "/read")
        self.assertEqual(shown, ["written", f"{length} characters"])

    @needs("nginx")
    def test_budget_stands_where_nginx_does(self):
        with with_options(budget_bytes=9000), nginx(self.live_server_url) as address:
            length = longest(4000 - overhead(AGE))
            self.assertEqual(self.status(address, length), 502)
            self.assertEqual(self.status(self.live_server_url, length), 200)

    def status(self, address, length):
        line = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
        try:
            line.request("GET", f"/write?length={length}")
            return line.getresponse().status
        finally:
            line.close()
