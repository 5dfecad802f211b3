"""Rows that refuse a late holder: whoever was followed by another writes nothing any more."""

from asgiref.sync import async_to_sync
from django.db import transaction
from django.test import TransactionTestCase

from django_dist.concurrency import VersionedModel
from django_dist.exceptions import LockLost, StaleVersion
from django_dist.locks import lock
from django_dist.locks.fenced import FencedModel
from django_dist.locks.memory import MemoryLocks
from services import needs
from testapp.models import Account, Ledger, Savings


class Fenced:
    database = "default"

    def setUp(self):
        self.locks = MemoryLocks(alias="test")
        self.account = Account.objects.create(number=7, town="Ulm", owner="Ann")
        self.ledger = Ledger.objects.create()

    def late(self):
        """Return the lease of a holder that was followed, which does not know it yet, and that of its follower."""
        first = lock("a", using=self.locks).__enter__()
        self.addCleanup(first.stop)
        self.locks.break_lock("a")
        second = lock("a", using=MemoryLocksOf(self.locks)).__enter__()
        self.addCleanup(second.stop)
        return first, second


class MemoryLocksOf(MemoryLocks):
    """The same locks as another process would have them."""

    def __init__(self, other):
        super().__init__(alias="other")
        self._locks, self._changing = other._locks, other._changing


class FencedTests(Fenced, TransactionTestCase):
    def balance(self):
        return Account.objects.get(pk=self.account.pk).balance

    def test_row_is_entered_read_and_saved(self):
        with lock("a", using=self.locks) as lease:
            for balance in (1, 2):
                account = Account.enter(lease, number=7)
                self.assertEqual(account.fence, lease.fence)
                account.balance = balance
                with self.assertNumQueries(1):
                    account.save()
        self.assertEqual(self.balance(), 2)

    def test_late_holder_is_refused_though_its_follower_has_only_read(self):
        first, second = self.late()
        mine = Account.enter(first, number=7)
        theirs = Account.enter(second, number=7)
        mine.balance, theirs.balance = 1, theirs.balance + 10
        with self.assertRaises(LockLost) as caught:
            mine.save()
        self.assertEqual(caught.exception.name, "a")
        theirs.save()
        self.assertEqual(self.balance(), 10)

    def test_late_holder_cannot_enter(self):
        first, second = self.late()
        Account.enter(second, number=7)
        with self.assertRaises(LockLost):
            Account.enter(first, number=7)

    def test_lease_that_is_over_cannot_enter(self):
        with lock("a", using=self.locks) as lease:
            pass
        for enter in (Account.enter, Account.under):
            with self.assertRaises(LockLost), self.assertNumQueries(0):
                enter(lease)

    def test_late_holder_does_not_win_by_reading_anew(self):
        first, second = self.late()
        mine = Account.enter(first, number=7)
        Account.enter(second, number=7)
        mine.refresh_from_db()
        for write in (mine.save, lambda: mine.save(update_fields=["balance"]), mine.delete):
            self.assertRaises(LockLost, write)
        self.assertEqual(Account.objects.count(), 1)

    def test_delete_of_the_holder_deletes(self):
        with lock("a", using=self.locks) as lease:
            Account.enter(lease, number=7).delete()
        self.assertEqual(Account.objects.count(), 0)

    def test_who_never_entered_is_refused_once_somebody_has(self):
        before = Account.objects.get(number=7)
        before.save()
        with lock("a", using=self.locks) as lease:
            Account.enter(lease, number=7)
        self.assertRaises(LockLost, before.save)
        Account.objects.get(number=7).save()

    def test_rows_under_a_fence_are_left_alone_where_another_has_entered(self):
        Account.objects.create(number=8, town="Ulm", owner="Bob")
        first, second = self.late()
        Account.enter(second, number=7)
        self.assertEqual(Account.under(first).update(balance=5), 1)
        self.assertEqual(self.balance(), 0)
        self.assertEqual(Account.under(second).update(balance=6), 2)

    def test_row_that_is_gone_or_new_is_no_loss(self):
        with lock("a", using=self.locks) as lease:
            with self.assertRaises(Account.DoesNotExist):
                Account.enter(lease, number=9)
            account = Account.enter(lease, number=7)
            Account.objects.all().delete()
            account.save()  # as Django does: it is inserted
        self.assertEqual(Account.objects.count(), 1)

    def test_save_does_not_lower_the_fence(self):
        with lock("a", using=self.locks) as lease:
            account = Account.enter(lease, number=7)
            account.fence = 0
            account.save()
        self.assertEqual(Account.objects.get(number=7).fence, lease.fence)

    def test_versions_and_fences_are_both_asked(self):
        first, second = self.late()
        mine = Ledger.enter(first, pk=self.ledger.pk)
        stale = Ledger.objects.get()
        mine.balance = 1
        mine.save()
        self.assertEqual((mine.version, Ledger.objects.get().balance), (2, 1))
        self.assertRaises(StaleVersion, stale.save)
        theirs = Ledger.enter(second, pk=self.ledger.pk)
        self.assertEqual(theirs.version, 2)  # to enter is no change
        self.assertRaises(LockLost, mine.save)
        self.assertRaises(LockLost, mine.delete)
        theirs.save()
        theirs.delete()
        self.assertEqual(Ledger.objects.count(), 0)

    def test_order_of_the_classes_is_told(self):
        with self.assertRaisesRegex(TypeError, "VersionedModel before FencedModel"):

            class Wrong(FencedModel, VersionedModel):
                class Meta:
                    app_label = "testapp"

    def test_table_of_the_parent_refuses_for_its_child(self):
        Savings.objects.create(number=9, town="Ulm", owner="Cy")
        first, second = self.late()
        mine = Savings.enter(first, number=9)
        Savings.enter(second, number=9)
        mine.rate = 5
        with self.assertRaises(LockLost), transaction.atomic():
            mine.save()
        self.assertEqual(Savings.objects.get().rate, 0)

    def test_coroutine_enters(self):
        async def work():
            async with lock("a", using=self.locks) as lease:
                account = await Account.aenter(lease, number=7)
                account.balance = 3
                await account.asave()

        async_to_sync(work)()
        self.assertEqual(self.balance(), 3)


@needs("postgres", "mysql")
class OtherDatabaseTests(Fenced, TransactionTestCase):
    databases = {"default", "postgres", "mysql"}

    def test_forced_order_on_servers(self):
        """A reads, its lease ends, B enters and reads, A writes, B writes."""
        for database in ("postgres", "mysql"):
            with self.subTest(database), self.settings(DATABASE_ROUTERS=[To(database)]):
                Account.objects.using(database).create(number=7, town="Ulm", owner="Ann")
                first, second = self.late()
                mine = Account.enter(first, number=7)
                theirs = Account.enter(second, number=7)
                mine.balance, theirs.balance = mine.balance + 1, theirs.balance + 10
                self.assertRaises(LockLost, mine.save)
                theirs.save()
                self.assertEqual(Account.objects.using(database).get().balance, 10)
                self.locks = MemoryLocks(alias="test")


class To:
    """A router to one database."""

    def __init__(self, database):
        self.database = database

    def db_for_read(self, model, **hints):
        return self.database

    db_for_write = db_for_read
