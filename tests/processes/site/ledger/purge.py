"""Purge without a pause until standard input ends: ``python -m ledger.purge``; prints how many rows went."""

import sys
import threading

import django
from django.core.management import call_command


def main() -> None:
    """Run dist_purge over and over."""
    django.setup()
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    while not ended.wait(0.002):
        call_command("dist_purge", batch=100, verbosity=0)


if __name__ == "__main__":
    main()
