"""Versions and amounts under many threads, and under a process that is killed; at full length by DIST_STORM=1."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from django.db import connections, transaction
from django.test import TransactionTestCase

from django_dist.concurrency import retry_on_conflict, take_many
from django_dist.exceptions import GuardFailed
from django_dist.testing.concurrency_harness import ConcurrencyHarness
from django_dist.testing.concurrency_models import Stock, Ware
from lengths import rounds
from services import needs

THREADS = 16
#: Takes from two rows, and stands still for ever before the second statement, or before the COMMIT.
VICTIM = """
import json, sys, time
from django.conf import settings
entry, keys, stand = json.loads(sys.argv[1])
settings.configure(DATABASES={"default": entry}, INSTALLED_APPS=["django.contrib.contenttypes", "django_dist"])
import django
django.setup()
from django.db import connection, transaction
from django_dist.concurrency import take_many
from django_dist.testing.concurrency_models import Ware
seen = []
def still(execute, sql, values, many, context):
    seen.append(sql)
    if sql.startswith(("UPDATE", "WITH")) and len([s for s in seen if s.startswith(("UPDATE", "WITH"))]) == stand:
        print("stands", flush=True)
        time.sleep(600)
    return execute(sql, values, many, context)
with transaction.atomic(), connection.execute_wrapper(still):
    take_many(Ware, "count", {key: 1 for key in keys})
    print("stands", flush=True)
    time.sleep(600)
"""


class Storms(ConcurrencyHarness):
    def test_retried_increments_are_all_there(self):
        row, each = self.make(Ware, count=0), rounds(10, 50)

        @retry_on_conflict(attempts=10_000, backoff=0.001)
        def increment():
            mine = self.again(row)
            mine.count += 1
            mine.save()

        self.at_once([lambda: [increment() for _ in range(each)]] * THREADS)
        self.assertEqual((self.again(row).count, self.again(row).version), (THREADS * each, THREADS * each + 1))

    def test_stock_is_sold_to_the_last_piece_and_no_further(self):
        stock = rounds(200, 1000)
        row, each = self.make(Stock, count=stock), stock * 16 // 10 // THREADS

        def buying():
            mine, won = self.again(row), 0
            for _ in range(each):
                try:
                    mine.take("count", 1)
                    won += 1
                except GuardFailed:
                    pass
            return won

        won = sum(self.at_once([buying] * THREADS))
        self.assertEqual((won, THREADS * each - won, self.again(row).count), (stock, stock * 6 // 10, 0))

    def test_shuffled_orders_of_five_products_end_without_deadlock_and_whole(self):
        stock, over_at = 2000, time.monotonic() + rounds(2, 30)
        keys = [self.make(Ware, count=stock).pk for _ in range(12)]

        def ordering(number):
            source, won = random.Random(number), 0
            while time.monotonic() < over_at:
                chosen = source.sample(keys, 5)
                try:
                    take_many(Ware, "count", dict.fromkeys(chosen, source.randint(1, 3)), using=self.database)
                    won += 1
                except GuardFailed as short:
                    self.assertTrue(short.pk)
            return won

        taken = self.at_once([lambda number=number: ordering(number) for number in range(THREADS)])
        rows = list(self.rows(Ware).filter(pk__in=keys))
        self.assertGreater(sum(taken), 0)
        self.assertTrue(all(row.count >= 0 for row in rows))
        # Each order that went through has changed five rows once: none is there in part.
        self.assertEqual(sum(row.version - 1 for row in rows), 5 * sum(taken))

    def test_process_killed_in_the_middle_leaves_no_part_of_an_order(self):
        keys = [self.make(Ware, count=5).pk for _ in range(3)]
        statements = 1 if connections[self.database].vendor == "postgresql" else len(keys)
        for stand in range(1, statements + 2):
            with self.subTest(stand=stand), self.victim(keys, stand) as process:
                self.assertEqual(process.stdout.readline(), "stands\n", process.poll())
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
            # Its locks go with it: these are had, and nothing was taken.
            self.assertEqual(take_many(Ware, "count", dict.fromkeys(keys, 1), using=self.database)[keys[0]], 5 - stand)
            with transaction.atomic(self.database):
                counts = {row.count for row in self.rows(Ware).filter(pk__in=keys).select_for_update()}
            self.assertEqual(counts, {5 - stand})

    def victim(self, keys, stand):
        settings = connections[self.database].settings_dict
        entry = {name: settings[name] for name in ("ENGINE", "NAME", "HOST", "PORT", "USER", "PASSWORD")}
        return subprocess.Popen(
            [sys.executable, "-c", VICTIM, json.dumps([entry, keys, stand])],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent,
        )


@needs("postgres")
class PostgreSQLTests(Storms, TransactionTestCase):
    database = "postgres"


@needs("mysql")
class MariaDBTests(Storms, TransactionTestCase):
    database = "mysql"
