"""Every policy that is written somewhere, and the store it names: what the system checks and dist_doctor judge."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.urls import get_resolver

from ..conf import configured
from ..idempotency.base import RequestBackend
from ..idempotency.calls import SOURCES
from ..idempotency.database import DatabaseRequests
from ..idempotency.policy import Policy, all_views, make_policy, site_keywords
from ..idempotency.registry import requests

SETTING: Final = requests.setting
#: What a wrong value in a setting or keyword makes the code that reads it raise.
FAULTS: Final = (ImproperlyConfigured, ImportError, AttributeError, TypeError, ValueError)

Reader = Callable[[], Policy]


@dataclass(frozen=True, slots=True)
class Use:
    """A policy in force, whose it is, and the store it names."""

    where: str
    policy: Policy
    store: RequestBackend


def site_readers() -> Iterator[tuple[str, Reader]]:
    """Yield where the site has policies, an alias each, and what reads them."""
    for alias in configured(SETTING):
        yield f"{SETTING}[{alias!r}]['POLICY']", partial(_site_policy, alias)


def _site_policy(alias: str) -> Policy:
    keywords = {"using": alias, **site_keywords(alias)}
    return make_policy(f"{SETTING}[{alias!r}]['POLICY']", keywords)


def view_readers() -> Iterator[tuple[str, Reader]]:
    """Yield where views have policies, and what reads them; the URLconf is loaded, and brings them."""
    if getattr(settings, "ROOT_URLCONF", None):
        get_resolver().urlconf_module  # noqa: B018  (loads it)
    for source in SOURCES:
        yield source.where, source.policy


def use_of(where: str, read: Reader) -> Use:
    """Return what is in use there; raises one of FAULTS, without asking the store."""
    policy = read()
    store = requests[policy.using]
    if policy.mode not in store.modes:
        mends = " or ".join(f"mode={mode!r}" for mode in sorted(store.modes))
        raise ImproperlyConfigured(
            f"{where}: mode={policy.mode!r}, and its store has only {sorted(store.modes)}: set {mends} there, or in "
            f"POLICY of {SETTING}[{policy.using!r}]"
        )
    if isinstance(store, DatabaseRequests):
        _ = store.plan
    return Use(where, policy, store)


def sound(readers: Iterable[tuple[str, Reader]]) -> list[Use]:
    """Return what is in use where nothing is wrong; E001 tells the rest."""
    found = []
    for where, read in readers:
        try:
            found.append(use_of(where, read))
        except FAULTS:
            continue
    return found


def uses() -> list[Use]:
    """Return the sound policies that guard some view; none where nothing is guarded."""
    site = [(f"{SETTING}['default']['POLICY']", partial(_site_policy, "default"))] if all_views() else []
    return sound([*site, *view_readers()])
