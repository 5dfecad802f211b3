"""INSERT ... ON CONFLICT that bumps the version of a row that is there, where Django would write the new row's."""

from typing import Any

from django.db.models import sql

from .field import VersionField


class UpsertQuery(sql.InsertQuery):
    """An upsert among whose ``update_fields`` is the version."""

    def get_compiler(self, using: Any = None, connection: Any = None, elide_empty: bool = True) -> Any:
        """Return Django's compiler, its statement mended."""
        compiler = super().get_compiler(using, connection, elide_empty)
        as_sql = compiler.as_sql
        compiler.as_sql = lambda: [(self._mended(text, compiler.connection.ops), values) for text, values in as_sql()]
        return compiler

    def _mended(self, text: str, ops: Any) -> str:
        (field,) = (each for each in vars(self)["update_fields"] if isinstance(each, VersionField))
        column = ops.quote_name(field.column)
        bump = f"{column} = {ops.quote_name(field.model._meta.db_table)}.{column} + 1"
        written = [
            f"{column} = {value}"
            for value in (f"EXCLUDED.{column}", f"VALUE({column})", f"VALUES({column})", f"new.{column}")
        ]
        (found,) = (each for each in written if each in text)
        return text.replace(found, bump)
