"""A worker of the checker: reads a register under a lock, adds one, and writes it and a line of the ledger.

``python lock_worker.py JSON``: what the lock is kept in, where the register is, and whether the fence is asked.
"""

import json
import os
import random
import sys
import time
from contextlib import nullcontext, suppress
from typing import Any

import django
from django.conf import settings
from django.db import DatabaseError, connections, transaction

TTL_S = 1.0


def main(given: dict[str, Any]) -> None:
    """Work until killed."""
    settings.configure(
        DATABASES=given["databases"],
        CACHES=given["caches"],
        DIST_LOCKS={"default": given["locks"]},
        INSTALLED_APPS=["django.contrib.contenttypes", "django_dist"],
        USE_TZ=True,
    )
    django.setup()
    from django_dist.exceptions import BackendUnavailable, DistError, LockTimeout
    from django_dist.locks import lock

    while True:
        try:
            around = transaction.atomic() if given["atomic"] else nullcontext()
            with around, lock("register", ttl=TTL_S, wait=20) as lease:
                work(lease.fence, fenced=given["fenced"])
        except (LockTimeout, BackendUnavailable):
            time.sleep(0.01)
        except (DistError, DatabaseError):
            with suppress(DatabaseError):
                connections["register"].close()


def work(fence: int, *, fenced: bool) -> None:
    """Add one to the register, unless another has entered since."""
    connection = connections["register"]
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO grants (fence, pid) VALUES (%s, %s)", [fence, os.getpid()])
        if fenced:
            cursor.execute("UPDATE register SET fence = %s WHERE fence < %s", [fence, fence])
        cursor.execute("SELECT value FROM register")
        (value,) = cursor.fetchone()
        cursor.execute("INSERT INTO inside (pid) VALUES (%s)", [os.getpid()])
        time.sleep(random.uniform(0, 0.02))
        with transaction.atomic(using="register"):
            asked = "UPDATE register SET value = %s" + (" WHERE fence = %s" if fenced else "")
            cursor.execute(asked, [value + 1, fence] if fenced else [value + 1])
            if cursor.rowcount:
                cursor.execute("INSERT INTO ledger (value, fence) VALUES (%s, %s)", [value + 1, fence])
            else:
                cursor.execute("INSERT INTO refused (fence) VALUES (%s)", [fence])
        cursor.execute("DELETE FROM inside WHERE pid = %s", [os.getpid()])


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
