"""Examine every configured store: is it built, does it answer, and what do the checks of its kind say."""

from typing import Final

from django.utils.module_loading import import_string

from ..conf import configured
from ..exceptions import DistError
from ..idempotency.policy import Policy
from ..idempotency.registry import requests
from .base import Report, unanswered, wrong
from .locks import examine_locks
from .policies import FAULTS, site_readers, sound, view_readers
from .sessions import examine_sessions

SYSTEM_CHECK: Final = "manage.py check tells more"


def examine_all() -> list[Report]:
    """Return a report for every alias of every concern."""
    return [_examine(alias) for alias in configured(requests.setting)] + examine_sessions() + examine_locks()


def _examine(alias: str) -> Report:
    backend = str(configured(requests.setting)[alias]["BACKEND"])
    report = Report(requests.setting, alias, backend.rpartition(".")[2])
    try:
        store, policies = requests[alias], _policies(alias)
        if store.diagnosis:
            import_string(store.diagnosis)(report, store, policies)
        else:
            store.expired()
            report.server = "answers"
    except FAULTS as error:
        report.findings.append(wrong(str(error), SYSTEM_CHECK))
    except DistError as error:
        report.findings.append(unanswered(error, "start it, or correct its address and password"))
    return report


def _policies(alias: str) -> tuple[Policy, ...]:
    """Return the policies of the views that use ``alias``, and that of the site."""
    found = sound([*site_readers(), *view_readers()])
    return tuple(use.policy for use in found if use.store.alias == alias) or (Policy(),)
