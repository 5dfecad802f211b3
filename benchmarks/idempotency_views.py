"""The view that all are measured on, one INSERT and a 201 in JSON, and the ways to guard it that need no peer."""

import json
import uuid
from hashlib import sha256
from typing import Any

from django.db import connection, models, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse

BODY = json.dumps({"customer": 4711, "amount": 1999, "note": "two lamps, one shade; ring twice"}).encode()


class Order(models.Model):
    """The effect."""

    customer: Any = models.IntegerField()
    amount: Any = models.IntegerField()
    note: Any = models.CharField(max_length=200)

    class Meta:
        app_label = "benchmarks"
        db_table = "bench_order"


def place(data: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Write one order; return the answer's data and its Location."""
    order = Order.objects.create(customer=data["customer"], amount=data["amount"], note=data["note"])
    return {"id": order.pk, "amount": order.amount, "state": "placed"}, f"/orders/{order.pk}"


def unguarded(request: HttpRequest) -> HttpResponse:
    """Place an order in whatever transaction stands around."""
    answer, location = place(json.loads(request.body))
    return JsonResponse(answer, status=201, headers={"Location": location})


def bare(request: HttpRequest) -> HttpResponse:
    """Place an order in a transaction: what 1.00 stands for."""
    with transaction.atomic():
        return unguarded(request)


COLUMNS = (
    "digest, fingerprint, binding, scope, view, state, status, reason, headers, body, replays, created_at, expires_at"
)
FOUND = "fingerprint, status, headers, body"
TABLE = """
CREATE TABLE bench_floor (digest {uuid} PRIMARY KEY, fingerprint {uuid} NOT NULL, binding {uuid},
  scope varchar(200) NOT NULL, view varchar(200) NOT NULL, state smallint NOT NULL, status smallint NOT NULL,
  reason varchar(200) NOT NULL, headers text NOT NULL, body {bytes}, replays integer NOT NULL,
  created_at {time} NOT NULL, expires_at {time} NOT NULL)"""
TYPES = {
    "postgresql": {"uuid": "uuid", "bytes": "bytea", "time": "timestamptz"},
    "sqlite": {"uuid": "char(32)", "bytes": "BLOB", "time": "datetime"},
}
INSERT = f"INSERT INTO bench_floor ({COLUMNS}) VALUES "
POSTGRESQL_CLAIM = (
    f"SELECT pg_try_advisory_xact_lock(%s); SELECT {FOUND} FROM bench_floor WHERE digest = %s AND expires_at > now()"
)
# The count of replays is not worth a wait for the disk.
POSTGRESQL_COUNT = (
    "UPDATE bench_floor SET replays = replays + 1 WHERE digest = %s; SET LOCAL synchronous_commit TO off; COMMIT"
)
SQLITE_LOOK_UP = f"UPDATE bench_floor SET replays = replays + 1 WHERE digest = ? RETURNING {FOUND}"
POSTGRESQL_INSERT = (
    f"{INSERT} (%s, %s, NULL, %s, %s, 1, %s, %s, %s, %s, 0, clock_timestamp(), clock_timestamp() + interval '1 day')"
)
PREPARED = {
    "bench_lock": "SELECT pg_try_advisory_xact_lock($1)",
    "bench_look_up": f"SELECT {FOUND} FROM bench_floor WHERE digest = $1 AND expires_at > now()",
    "bench_count": "UPDATE bench_floor SET replays = replays + 1 WHERE digest = $1",
    "bench_insert": f"""{INSERT} ($1, $2, NULL, $3, $4, 1, $5, $6, $7, $8, 0, clock_timestamp(),
      clock_timestamp() + interval '1 day')""",
}
EXECUTE_CLAIM = "EXECUTE bench_lock(%s); EXECUTE bench_look_up(%s)"
EXECUTE_COUNT = "EXECUTE bench_count(%s); SET LOCAL synchronous_commit TO off; COMMIT"
EXECUTE_INSERT = "EXECUTE bench_insert(%s, %s, %s, %s, %s, %s, %s, %s)"
SQLITE_INSERT = f"""{INSERT} (?, ?, NULL, ?, ?, 1, ?, ?, ?, ?, 0,
  strftime('%Y-%m-%d %H:%M:%f000', 'now'), strftime('%Y-%m-%d %H:%M:%f000', 'now', '+1 day'))"""


def create_tables() -> None:
    """Create the table of orders and the floor's own table of records, of the same shape and indexes as ours."""
    with connection.schema_editor() as editor:
        editor.create_model(Order)
        editor.execute(TABLE.format(**TYPES[connection.vendor]))
        editor.execute("CREATE INDEX bench_floor_expires ON bench_floor (expires_at)")


def _digests(request: HttpRequest) -> tuple[uuid.UUID, uuid.UUID]:
    key = uuid.UUID(request.headers["Idempotency-Key"])
    asked = b"\n".join((str(request.method).encode(), request.get_full_path().encode(), request.body))
    return uuid.UUID(bytes=sha256(key.bytes).digest()[:16]), uuid.UUID(bytes=sha256(asked).digest()[:16])


def _stored(response: HttpResponse) -> list[Any]:
    headers = json.dumps(list(response.headers.items()), separators=(",", ":"))
    return ["anonymous", "bench.view", response.status_code, response.reason_phrase, headers, response.content]


def _replayed(fingerprint: uuid.UUID, row: tuple[Any, ...]) -> HttpResponse:
    if uuid.UUID(str(row[0])) != fingerprint:
        return HttpResponse(status=422)
    return HttpResponse(bytes(row[3]), status=row[1], headers=dict(json.loads(row[2])))


def floor_postgresql(request: HttpRequest) -> HttpResponse:
    """Guard the order by hand in three round trips, all but the view's own INSERT prepared: the plan of django_dist."""
    connection.ensure_connection()
    if not getattr(connection.connection, "is_prepared", False):
        cursor = connection.connection.cursor()
        cursor.execute("; ".join(f"PREPARE {name} AS {sql}" for name, sql in PREPARED.items()))
        connection.connection.rollback()  # what is prepared stays
        connection.connection.is_prepared = True
    return _floor_postgresql(request, joined=True, claim=EXECUTE_CLAIM, count=EXECUTE_COUNT, insert=EXECUTE_INSERT)


def floor_unprepared(request: HttpRequest) -> HttpResponse:
    """Guard the order by hand in three round trips: BEGIN with the claim, the view, COMMIT with the record."""
    return _floor_postgresql(request, joined=True)


def floor_five(request: HttpRequest) -> HttpResponse:
    """Guard the order by hand in five round trips: BEGIN, the claim, the view, the record, COMMIT."""
    return _floor_postgresql(request, joined=False)


def _floor_postgresql(
    request: HttpRequest,
    *,
    joined: bool,
    claim: str = POSTGRESQL_CLAIM,
    count: str = POSTGRESQL_COUNT,
    insert: str = POSTGRESQL_INSERT,
) -> HttpResponse:
    digest, fingerprint = _digests(request)
    connection.ensure_connection()
    cursor = connection.connection.cursor()  # the driver's own: binds on the client, hence several statements at once
    try:
        lock = int.from_bytes(digest.bytes[:8], "big", signed=True)
        if joined:
            cursor.execute(f"BEGIN; {claim}", [lock, digest])
            cursor.nextset()
        else:
            cursor.execute("BEGIN")
            cursor.execute(claim, [lock, digest])
        cursor.fetchone()
        cursor.nextset()
        if (row := cursor.fetchone()) is not None:
            cursor.execute(count, [digest])
            return _replayed(fingerprint, row)
        response = unguarded(request)
        cursor.execute(insert + ("; COMMIT" if joined else ""), [digest, fingerprint, *_stored(response)])
        if not joined:
            cursor.execute("COMMIT")
    except BaseException:
        connection.connection.rollback()
        raise
    return response


def floor_sqlite(request: HttpRequest) -> HttpResponse:
    """Guard the order by hand on SQLite."""
    digest, fingerprint = _digests(request)
    connection.ensure_connection()
    raw = connection.connection
    raw.execute("BEGIN IMMEDIATE")
    try:
        row = raw.execute(SQLITE_LOOK_UP, [digest.hex]).fetchone()
        if row is not None:
            raw.execute("COMMIT")
            return _replayed(fingerprint, row)
        response = unguarded(request)
        raw.execute(SQLITE_INSERT, [digest.hex, fingerprint.hex, *_stored(response)])
        raw.execute("COMMIT")
    except BaseException:
        raw.execute("ROLLBACK")
        raise
    return response
