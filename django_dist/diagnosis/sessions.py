"""Checks of the store that an engine of ours keeps the site's sessions in."""

from importlib import import_module
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connections

from ..exceptions import SessionStoreUnavailable
from ..models import StoredSession
from ..sessions.database import DatabaseSessions
from ..sessions.options import options
from .base import Report, advice, median_ms, unanswered, wrong
from .common import waiting
from .policies import FAULTS

MANY: Final = 1000
SETTING: Final = "SESSION_ENGINE"
ENGINES: Final = "django_dist.sessions."
REPLICATED: Final = "django_dist.sessions.replicated"


def examine_sessions() -> list[Report]:
    """Return the report of the site's session engine; none where it is not one of ours."""
    if not settings.SESSION_ENGINE.startswith(ENGINES):
        return []
    report = Report(SETTING, "default", settings.SESSION_ENGINE.removeprefix(ENGINES))
    try:
        place = import_module(settings.SESSION_ENGINE).SessionStore().place
        if isinstance(place, DatabaseSessions):
            _database(report, place)
        elif settings.SESSION_ENGINE == REPLICATED:
            _replicas(report)
        elif place is not None:
            _redis(report, place)
        else:
            report.server = "the browser"
        if options().read_from is not None:
            report.findings.append(
                advice(
                    f"sessions are still read from {options().read_from}: a cookie that nobody knows costs "
                    "more questions",
                    "take 'read_from' out of DIST_SESSIONS once SESSION_COOKIE_AGE has passed",
                )
            )
    except (*FAULTS, ImportError) as error:
        report.findings.append(wrong(str(error), "manage.py check tells more"))
    return [report]


def _database(report: Report, place: DatabaseSessions) -> None:
    report.database = place.database
    connection = connections[place.database]
    mend = f"run: manage.py migrate django_dist --database {place.database}"
    try:
        report.server = connection.display_name
        if StoredSession._meta.db_table not in connection.introspection.table_names():
            report.findings.append(wrong(f"table {StoredSession._meta.db_table} is missing", mend))
            return
        report.round_trip_ms = median_ms(lambda: place.read_newest(UUID(int=0)))
        report.findings.extend(waiting(StoredSession.objects.using(place.database).expired()))
    except (DatabaseError, SessionStoreUnavailable) as error:
        report.findings.append(unanswered(error, "start it, or correct its address and password"))


def _replicas(report: Report) -> None:
    from ..sessions.replicated import replicas, waiting_for

    report.database = ", ".join(each.name for each in replicas())
    for replica in replicas():
        try:
            replica.look()
        except SessionStoreUnavailable as error:
            report.findings.append(unanswered(error, "start it, or correct its address; the others serve meanwhile"))
    report.server = ", ".join(each.name for each in replicas() if each.is_up) or "none answers"
    for replica in replicas():
        if number := waiting_for(replica):
            text = f"{number} or more sessions" if number >= MANY else f"{number} sessions"
            mend = "run: manage.py dist_doctor --repair sessions, or leave it to the next requests"
            report.findings.append(advice(f"{text} changed while replica {replica.name!r} was away", mend))


def repair_sessions() -> int:
    """Give each replica what the others remember for it; return how much there was. Raises SessionStoreUnavailable."""
    if settings.SESSION_ENGINE != REPLICATED:
        return 0
    from ..sessions.replicated import hand_over, replicas

    for replica in replicas():
        replica.look()
    total = 0
    for replica in replicas():
        while number := hand_over(replica):
            total += number
    return total


def _redis(report: Report, place: object) -> None:
    from ..idempotency.redis_leases import client_of
    from ..sessions.redis import RedisSessions
    from . import redis

    report.database = options().connection
    if isinstance(place, RedisSessions):
        subject = redis.Subject(client_of(report.database), (), redis.LOGGED_OUT)
        redis.fill(report, subject, lambda: place.read_newest(UUID(int=0)))
