"""Faults of versions and amounts, each with the behaviours of ConcurrencyConformance that must fail under it."""

import re
from dataclasses import replace
from importlib import import_module
from unittest.mock import patch

from asgiref.sync import sync_to_async
from django.db import IntegrityError, models, transaction

from django_dist.concurrency import change as changing
from django_dist.concurrency import field as versions
from django_dist.concurrency import guarded, many, memory, queryset, stale, statements, upsert, versioned
from django_dist.concurrency import update as updating
from django_dist.concurrency.queryset import ConcurrentQuerySet
from django_dist.concurrency.versioned import VersionedModel

STALE = "test_stale_save_is_a_conflict_every_time"
SOME = "test_stale_save_of_some_fields_is_a_conflict"
NOT_READ = "test_version_that_was_not_read_is_read_with_the_row_or_refused"
UPSERT = "test_upsert_bumps_the_row_that_is_there"
BULK = "test_bulk_update_of_stale_rows_names_them_all_and_writes_nothing"
FLOOR = "test_take_never_leaves_less_than_the_floor"
NONE = "test_none_is_changed_and_every_short_row_is_named"
EXACT = "test_decimals_are_exact"
LIMITS = "test_null_and_limits_are_kept"
PUT_BACK = "test_rollback_puts_the_version_back"
BUMPED = "test_change_bumps_the_version"
CROWD = "test_crowd_takes_exactly_what_is_there"
#: What shows on PostgreSQL alone, where rows are locked and take_many is one statement.
ON_POSTGRESQL = set()
MUTANTS = {}


def mutant(*behaviours, postgresql=False):
    """Enter a fault under its name, with the behaviours that catch it."""

    def enter(make):
        MUTANTS[make.__name__] = (make, behaviours)
        if postgresql:
            ON_POSTGRESQL.add(make.__name__)
        return make

    return enter


# -- versions --


@mutant(
    STALE,
    SOME,
    "test_async_save_and_delete_are_checked",
    "test_pickled_instance_and_partial_refresh_are_as_stale_as_before",
    "test_crowd_that_saves_one_version_has_one_winner",
    "test_composite_key_is_checked_on_every_write_path",
)
def version_is_not_in_the_where():
    made = updating._statement
    return patch.object(
        updating, "_statement", lambda *a: re.sub(r"WHERE \S+ = %s", "WHERE %s IS NOT NULL", made(*a), count=1)
    )


@mutant("test_stale_save_of_an_expression_is_a_conflict")
def expression_is_saved_without_a_check():
    made = models.QuerySet.filter

    def unchecked(self, *arguments, **keywords):
        return made(self, *arguments, **{name: value for name, value in keywords.items() if name != "version"})

    return patch.object(ConcurrentQuerySet, "filter", unchecked, create=True)


@mutant("test_save_of_an_expression_bumps")
def expression_is_taken_for_a_value():
    return patch.object(versioned, "is_plain", lambda *_: True)


@mutant("test_pickled_instance_and_partial_refresh_are_as_stale_as_before")
def refresh_of_a_part_takes_the_version_along():
    def refresh(self, using=None, fields=None, **others):
        models.Model.refresh_from_db(self, using=using, **others)

    return patch.object(VersionedModel, "refresh_from_db", refresh)


@mutant("test_stale_delete_is_a_conflict_and_cascades_nothing", "test_async_save_and_delete_are_checked")
def delete_is_not_checked():
    return patch.object(VersionedModel, "delete", models.Model.delete)


@mutant("test_row_that_is_gone_never_returns")
def row_that_is_gone_is_inserted():
    update = VersionedModel._do_update

    def insert(self, *arguments):
        try:
            return update(self, *arguments)
        except versioned.StaleVersion:
            return []

    return patch.object(VersionedModel, "_do_update", insert)


@mutant("test_insert_with_a_preset_key_works_and_overwrites_nothing")
def made_instance_is_taken_for_one_that_was_read():
    other = type("Unread", (int,), {})
    return patch.object(versioned, "Unread", other), patch.object(stale, "Unread", other)


@mutant(NOT_READ)
def version_that_was_not_read_is_the_one_that_is_there():
    return patch.object(versioned, "expected_version", lambda instance, field: getattr(instance, field.attname))


@mutant(NOT_READ)
def version_may_be_left_out():
    return (
        patch.object(ConcurrentQuerySet, "only", models.QuerySet.only),
        patch.object(ConcurrentQuerySet, "defer", models.QuerySet.defer),
        patch.object(versioned, "expected_version", lambda instance, field: getattr(instance, field.attname)),
    )


@mutant("test_version_that_is_no_version_is_refused")
def any_version_is_taken():
    def expected(instance, field):
        found = instance.__dict__.get(field.attname)
        return found if type(found) is int else 1

    return patch.object(versioned, "expected_version", expected)


@mutant("test_copy_starts_at_1")
def copy_goes_on_counting():
    return patch.object(versions.VersionField, "pre_save", models.PositiveBigIntegerField.pre_save)


@mutant("test_version_starts_at_1_and_counts_every_save")
def version_starts_at_0():
    return patch.object(versions.VersionField, "pre_save", lambda self, instance, add: 0)


@mutant("test_save_takes_one_statement")
def save_looks_first():
    update = VersionedModel._do_update

    def look(self, base_qs, using, pk_val, *others):
        base_qs.filter(pk=pk_val).exists()
        return update(self, base_qs, using, pk_val, *others)

    return patch.object(VersionedModel, "_do_update", look)


@mutant("test_save_that_changes_nothing_bumps_unless_the_model_says_no")
def every_save_bumps():
    return patch.object(VersionedModel, "_is_as_loaded", lambda *_: False)


@mutant("test_fixture_is_written_as_it_is_however_often")
def fixtures_are_checked():
    save = VersionedModel._save_table

    def checked(self, raw=False, *arguments, **keywords):
        return save(self, False, *arguments, **keywords)

    return patch.object(VersionedModel, "_save_table", checked)


# -- write paths --


@mutant("test_save_of_some_fields_bumps", "test_save_of_an_expression_bumps", "test_update_or_create_bumps", STALE)
def save_knows_of_no_version():
    def update(self, base_qs, using, pk_val, values, *others):
        values = [each for each in values if not isinstance(each[0], versions.VersionField)]
        return models.Model._do_update(self, base_qs, using, pk_val, values, *others)

    return patch.object(VersionedModel, "_do_update", update)


@mutant(
    "test_update_bumps",
    "test_update_of_a_child_bumps_the_version_of_its_parent",
    "test_update_refuses_to_set_the_version",
    "test_update_by_a_foreign_key_that_is_set_to_null_bumps",
)
def update_does_not_bump():
    return patch.object(ConcurrentQuerySet, "update", models.QuerySet.update)


@mutant(UPSERT)
def upsert_writes_the_version_of_the_new_row():
    return patch.object(upsert.UpsertQuery, "_mended", lambda self, text, ops: text)


@mutant(UPSERT, "test_bulk_create_starts_at_1_and_can_be_saved")
def bulk_create_knows_of_no_version():
    return patch.object(ConcurrentQuerySet, "bulk_create", models.QuerySet.bulk_create)


@mutant("test_instance_of_an_upsert_does_not_pass_for_one_that_was_read")
def instance_of_an_upsert_has_version_1():
    create = ConcurrentQuerySet.bulk_create

    def numbered(self, objs, *arguments, **keywords):
        created = create(self, objs, *arguments, **keywords)
        for each in created:
            each.__dict__["version"] = 1
        return created

    return patch.object(ConcurrentQuerySet, "bulk_create", numbered)


@mutant(BULK, "test_bulk_update_of_children_is_checked")
def bulk_update_is_not_checked():
    return patch.object(queryset, "check_all", lambda *_: None)


@mutant("test_bulk_update_bumps_and_memory_follows", "test_bulk_update_of_children_is_checked")
def bulk_update_knows_of_no_version():
    return patch.object(ConcurrentQuerySet, "bulk_update", models.QuerySet.bulk_update)


@mutant("test_unchecked_writes_over_and_still_bumps")
def unchecked_is_checked():
    return patch.object(versioned, "is_unchecked", lambda _: False)


@mutant("test_unchecked_is_of_its_model_and_its_thread_alone")
def unchecked_is_of_everybody():
    class Everybody:
        found = frozenset()

        def get(self):
            return self.found

        def put(self, found):
            before, self.found = self.found, found
            return before

    everybody = Everybody()
    everybody.set = everybody.reset = everybody.put
    return patch.object(import_module("django_dist.concurrency.unchecked"), "_UNCHECKED", everybody)


# -- rollbacks --


@mutant("test_conflict_leaves_the_transaction_usable")
def conflict_breaks_the_transaction():
    return patch.object(VersionedModel, "save_base", models.Model.save_base)


def never_put_back(instance, using, values):
    instance.__dict__.update(values)


@mutant(
    PUT_BACK,
    "test_rollback_of_a_savepoint_puts_back_what_it_saved_alone",
    "test_inner_block_that_is_kept_is_put_back_with_the_outer",
    "test_insert_that_was_rolled_back_can_be_saved_again",
    "test_delete_that_was_rolled_back_can_be_saved",
    "test_bulk_update_that_was_rolled_back_is_put_back",
    "test_rolled_back_change_is_put_back_in_memory",
)
def nothing_is_put_back():
    return tuple(patch.object(module, "put", never_put_back) for module in (versioned, queryset, guarded))


@mutant("test_integrity_error_that_is_repaired_is_no_conflict")
def write_that_failed_counts():
    update = VersionedModel._do_update

    def counted(self, *arguments):
        try:
            return update(self, *arguments)
        except IntegrityError:
            self.__dict__["version"] += 1
            raise

    return patch.object(VersionedModel, "_do_update", counted)


@mutant("test_committed_change_stays_in_memory")
def everything_is_put_back():
    return patch.object(memory.Undo, "keep", lambda self: None)


# -- amounts --


def no_limit(plan, sign, amount, limit, using):
    return -(10**9) if sign == "-" else 2**31 - 1 - amount


@mutant(FLOOR, "test_give_never_goes_over_the_ceiling_or_the_column", CROWD, "test_composite_key_is_guarded")
def one_row_has_no_limit():
    return patch.object(guarded, "limit_of", no_limit)


@mutant("test_rows_are_guarded_each_for_itself", "test_rows_of_a_child_and_of_a_join_are_guarded")
def rows_have_no_limit():
    return patch.object(queryset, "limit_of", no_limit)


@mutant(NONE, LIMITS, "test_refusal_leaves_the_transaction_usable")
def many_rows_have_no_limit():
    return patch.object(many, "limit_of", no_limit)


@mutant("test_what_is_no_amount_is_refused_and_nothing_is_written")
def any_amount_is_taken():
    return tuple(
        patch.object(module, "checked", lambda field, amount, *_, **__: amount) for module in (guarded, queryset, many)
    )


@mutant("test_float_column_and_unknown_name_are_refused")
def any_column_is_guarded():
    return patch.object(statements, "guarded_field", lambda model, name: model._meta.get_field(name))


@mutant("test_null_is_told_from_sold_out_and_from_a_row_that_is_gone")
def every_refusal_is_sold_out():
    short = guarded.short_of
    return patch.object(guarded, "short_of", lambda *a: short(*a)._replace(has=0, missing=False))


@mutant(EXACT, "test_decimals_of_many_rows_are_exact")
def decimals_are_floats():
    return patch.object(statements, "ROUNDED", "{column} {sign} CAST(%s AS REAL)"), patch.object(
        queryset, "Round", lambda value, precision: value
    )


@mutant("test_full_save_does_not_undo_a_change", "test_take_returns_what_is_left_and_the_instance_has_it")
def instance_keeps_the_old_value():
    return patch.object(guarded, "put", lambda *_: None)


@mutant(BUMPED)
def take_does_not_bump():
    return patch.object(statements, "version_field", lambda model: None)


@mutant("test_change_does_not_make_a_stale_instance_fresh")
def take_makes_an_instance_fresh():
    def version(instance, found):
        field = versions.version_field(type(instance))
        return {} if field is None or found is None else {field.attname: found}

    return patch.object(guarded, "_version", version)


@mutant("test_take_is_one_statement")
def take_looks_first():
    change = changing.change

    def looking(plan, sign, pk, amount, bound, using):
        changing.look(plan, pk, changing.connections[using])
        return change(plan, sign, pk, amount, bound, using)

    return patch.object(guarded, "change", looking)


@mutant(CROWD, postgresql=True)
def take_reads_and_then_writes():
    def change(plan, sign, pk, amount, bound, using):
        rows = plan.field.model._base_manager.using(using).filter(pk=pk)
        has = rows.values_list(plan.field.attname, flat=True).get()
        if has < bound:
            return None
        models.QuerySet.update(rows, **{plan.field.attname: has - amount})
        return has - amount, None

    return patch.object(guarded, "change", change)


@mutant("test_amount_beside_a_plain_f_expression")
def take_trusts_the_instance():
    def changed(instance, sign, name, amount, limit):
        left = getattr(instance, name) - amount
        type(instance)._base_manager.using(instance._state.db).filter(pk=instance.pk).update(**{name: left})
        return left

    return patch.object(guarded, "_changed", changed)


@mutant("test_async_twins_do_the_same")
def async_twin_takes_the_other_way():
    async def atake(self, field, amount, *, floor=0):
        return await sync_to_async(self.give)(field, amount)

    return patch.object(guarded.GuardedModel, "atake", atake)


@mutant("test_rows_of_a_child_and_of_a_join_are_guarded")
def child_rows_are_lost():
    return patch.object(ConcurrentQuerySet, "_own_table", lambda self, owner: self.none())


@mutant(NONE)
def part_of_an_order_is_kept():
    class Open:
        def __init__(self, using):
            pass

        def __enter__(self):
            pass

        def __exit__(self, *_):
            pass

    return patch.object(many.transaction, "atomic", Open)


@mutant(NONE, postgresql=True)
def statement_changes_the_rows_that_fit():
    return patch.object(many, "POSTGRESQL", many.POSTGRESQL.replace("AND (SELECT all_rows FROM fit)", "AND (%s)"))


@mutant("test_all_rows_are_changed_and_their_values_returned", BUMPED)
def many_rows_are_only_looked_at():
    return patch.object(many, "change", lambda plan, sign, pk, amount, bound, using: (0, None))


@mutant("test_many_composite_keys_are_refused")
def first_column_of_a_key_is_the_key():
    plan = many.guarded
    return patch.object(many, "guarded", lambda *a: replace(plan(*a), prepare=plan(*a).prepare[:1]))


@mutant("test_two_keys_of_one_row_are_refused")
def keys_may_be_one_row():
    def wanted(plan, amounts):
        return {plan.field.model._meta.pk.to_python(pk): amount for pk, amount in amounts.items()}

    return patch.object(many, "_wanted", wanted)


@mutant("test_crowd_of_shuffled_orders_has_no_deadlock_and_no_part_of_an_order", postgresql=True)
def rows_are_locked_in_any_order():
    def one_by_one(plan, sign, wanted, limit, using):
        with transaction.atomic(using):
            for pk in sorted(wanted, key=lambda pk: hash((pk, id(wanted)))):
                if changing.change(plan, sign, pk, wanted[pk], wanted[pk], using) is None:
                    raise many._failed(plan, [many.short_of(plan, pk, wanted[pk], using)])
        return wanted

    return patch.object(many, "_in_one_statement", one_by_one)
