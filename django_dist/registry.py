"""Build the backends that settings name: once a process, checked against what each accepts."""

import inspect
import threading
from typing import Any, Generic, TypeVar

from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from .conf import configured
from .exceptions import InvalidBackend

Backend = TypeVar("Backend")


class Registry(Generic[Backend]):
    """Give the backend of each alias of one setting.

    Backends are thread-safe and built on first use; ``override_settings`` makes them anew.
    """

    def __init__(self, setting: str, entries: frozenset[str] = frozenset({"BACKEND", "OPTIONS"})) -> None:
        self.setting = setting
        self._entries = entries
        self._built: dict[str, Backend] = {}
        self._lock = threading.Lock()
        setting_changed.connect(self._forget, weak=False)

    def __getitem__(self, alias: str) -> Backend:
        """Return the backend of ``alias``; raises InvalidBackend naming setting, alias and mend."""
        if (known := self._built.get(alias)) is not None:
            return known
        with self._lock:
            if alias not in self._built:
                self._built[alias] = self._build(alias)
            return self._built[alias]

    def aliases(self) -> list[str]:
        """Return the configured aliases."""
        return list(configured(self.setting))

    def _build(self, alias: str) -> Backend:
        entries = configured(self.setting)
        if alias not in entries:
            raise InvalidBackend(f"{self.setting} has no alias {alias!r}; it has {sorted(entries)}")
        entry, where = entries[alias], f"{self.setting}[{alias!r}]"
        if unknown := sorted(set(entry) - self._entries):
            raise InvalidBackend(f"{where}: unknown entries {unknown}; accepted are {sorted(self._entries)}")
        try:
            backend: type[Backend] = import_string(entry["BACKEND"])
        except ImportError as error:
            raise InvalidBackend(f"{where}: BACKEND {entry['BACKEND']!r} cannot be imported: {error}") from error
        options = entry.get("OPTIONS", {})
        accepted = accepted_options(backend)
        if unknown := sorted(set(options) - set(accepted)):
            raise InvalidBackend(f"{where}: unknown OPTIONS {unknown}; {entry['BACKEND']} accepts {accepted}")
        try:
            return backend(alias=alias, **options)  # type: ignore[call-arg]
        except (TypeError, ValueError) as error:
            raise InvalidBackend(f"{where}: OPTIONS {options!r} are refused: {error}") from error

    def _forget(self, *, setting: str, **_: Any) -> None:
        if setting in (self.setting, "DATABASES"):
            self._built.clear()


def accepted_options(backend: type) -> list[str]:
    """Return the names that ``OPTIONS`` of ``backend`` may hold: its constructor's keywords."""
    parameters = inspect.signature(backend).parameters.values()
    return sorted(p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "alias")
