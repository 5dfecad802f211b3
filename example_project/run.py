"""Serve the example shop on this machine: migrate, fill, print what to try, start gunicorn.

    python example_project/run.py [--port 8000]

Needs no service and no root. DATABASE_URL chooses another database than the SQLite file in var/.
"""

import argparse
import os
import socket
import subprocess
import sys
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Prepare the shop, then become gunicorn; Ctrl-C stops it."""
    parser = argparse.ArgumentParser(description="Serve the example shop.")
    parser.add_argument("--port", type=int, default=8000, help="first port to try (default: %(default)s)")
    port = _free_port(parser.parse_args().port)
    os.chdir(HERE)
    os.environ.setdefault("SHOP_DEBUG", "1")
    print("Preparing the database ...", file=sys.stderr, flush=True)
    _manage("migrate", "--verbosity", "0")
    _tell(f"http://127.0.0.1:{port}", _manage("fill_shop").strip())
    os.execv(
        sys.executable,
        [sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--log-level", "warning", "shop.wsgi"],
    )


def _free_port(first: int) -> int:
    for port in range(first, first + 50):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    sys.exit(f"No free port from {first} to {first + 49}; name another one with --port.")


def _manage(*command: str) -> str:
    done = subprocess.run([sys.executable, "manage.py", *command], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"manage.py {command[0]} failed; what it said stands above.")
    return done.stdout


def _tell(address: str, password: str) -> None:
    order = f"""-H 'Idempotency-Key: {uuid.uuid4()}' -d '{{"customer": 1, "sku": "tea", "quantity": 2}}'"""
    print(
        f"""
The shop is at {address}/  (Ctrl-C stops it)
Its recorded requests: {address}/admin/  (user admin, password {password})

Try each of these twice:
  the fault         curl -i {address}/unguarded/orders {order}
  the cure          curl -i {address}/orders {order}
  what it came to   curl {address}/state
""",
        flush=True,
    )


if __name__ == "__main__":
    main()
