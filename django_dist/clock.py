"""The store's clock as a query expression: what expires is decided by the database, never by the web server."""

from typing import Any, ClassVar, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import DateTimeField, FloatField, Func, Value
from django.db.models.sql.compiler import SQLCompiler

# Percent signs are doubled twice: for the template, and for the parameters of the whole statement.
NOW_ON_SQLITE: Final = "strftime('%%%%Y-%%%%m-%%%%d %%%%H:%%%%M:%%%%f000', 'now')"


class StoreNow(Func):
    """The database's own time in UTC, with microseconds (milliseconds on SQLite).

    ``NOW()`` of MariaDB and MySQL follows the session's time zone, hence ``UTC_TIMESTAMP(6)``.
    """

    template = "now()"
    output_field = DateTimeField()

    def as_mysql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Any:
        """Return the SQL of MariaDB and MySQL."""
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **extra)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Any:
        """Return the SQL of SQLite, in the text form in which Django stores times."""
        return self.as_sql(compiler, connection, template=NOW_ON_SQLITE, **extra)


class StoreTime(Func):
    """The database's time at this very statement, ``ahead`` seconds on; in a transaction, too, where ``now()`` stands.

    For a lease. What an index is to find is compared with StoreNow, which a planner knows to be one value.
    """

    template = "clock_timestamp() + make_interval(secs => %(expressions)s)"
    output_field = DateTimeField()
    ON_MYSQL: ClassVar[str] = "UTC_TIMESTAMP(6) + INTERVAL %(expressions)s SECOND"
    ON_SQLITE: ClassVar[str] = NOW_ON_SQLITE[:-1] + ", %(expressions)s || ' seconds')"

    def __init__(self, ahead: float = 0.0) -> None:
        super().__init__(Value(float(ahead), output_field=FloatField()))

    def as_mysql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Any:
        """Return the SQL of MariaDB and MySQL."""
        return self.as_sql(compiler, connection, template=self.ON_MYSQL, **extra)

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any) -> Any:
        """Return the SQL of SQLite, in the text form in which Django stores times."""
        return self.as_sql(compiler, connection, template=self.ON_SQLITE, **extra)
