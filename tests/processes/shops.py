"""The example shop as its README says to run it: migrated, filled, under gunicorn, on a SQLite database of its own."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .clients import Client, until
from .servers import group

EXAMPLE = Path(__file__).resolve().parents[2] / "example_project"


@contextmanager
def serving(folder: Path) -> Iterator[tuple[Client, str]]:
    """Serve the shop; yields a client, and the password of the user ``admin``."""
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    environment |= {"DATABASE_URL": f"sqlite:///{folder}/shop.sqlite3", "SHOP_BANK": f"{folder}/bank.sqlite3"}

    def manage(*command: str) -> str:
        arguments = [sys.executable, "manage.py", *command]
        done = subprocess.run(arguments, cwd=EXAMPLE, env=environment, check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout.strip()

    manage("migrate", "--verbosity", "0")
    password = manage("fill_shop")
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener, open(folder / "log", "wb") as log:
        arguments = ["-m", "gunicorn", "--workers", "2", "--worker-class", "gthread", "--threads", "4"]
        arguments += ["--log-level", "error", "--config", "/dev/null", f"--bind=fd://{listener.fileno()}", "shop.wsgi"]
        command = [sys.executable, *arguments]
        with group(command, log, cwd=EXAMPLE, env=environment, pass_fds=[listener.fileno()]):
            client = Client(listener.getsockname()[1])
            until(lambda: _ready(client), "an answer of the shop")
            yield client, password


def _ready(client: Client) -> bool:
    try:
        return bool(client.get("state"))
    except OSError:
        return False
