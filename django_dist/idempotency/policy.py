"""How a view is guarded: the keywords of ``@idempotent``, their defaults, and the site's own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponseBase
from django.utils.module_loading import import_string

from ..conf import configured
from ..exceptions import IdempotencyError, InvalidBackend
from .keys import FORMATS

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
UNSAFE: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
#: What is never kept: about who asks, how often, or that it is too early; another try may fare better.
FLEETING: Final = frozenset({401, 403, 408, 409, 423, 425, 429})

Scope = Callable[[HttpRequest], Any]
Fingerprint = Callable[[HttpRequest], str | bytes]
Keep = Callable[[HttpResponseBase], bool]
Problem = Callable[[HttpRequest, IdempotencyError], HttpResponseBase | None]

RECORDS: Final[dict[str, Keep]] = {
    "final": lambda response: response.status_code < 500 and response.status_code not in FLEETING,
    "all": lambda response: response.status_code not in FLEETING,
    "success": lambda response: response.status_code < 400,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The keywords of ``@idempotent``; docs/reference/policy.md is made from these comments."""

    required: bool = False  # refuse a request without a key with 400
    methods: tuple[str, ...] = ("POST", "PATCH")  # which requests are guarded
    header: tuple[str, ...] = ("Idempotency-Key",)  # the first that is present counts
    key_format: str = "uuid"  # "uuid", "uuid4", "uuid7" or "opaque"
    scope: str | Scope = "user"  # "user", "credentials", or a function of the request
    fingerprint: Fingerprint | None = None  # what of the body must be the same; None: all of it
    ttl: float = 86_400.0  # seconds that an answer is kept
    wait: float = 2.0  # seconds that a repeat waits for the first
    mode: str = "atomic"  # record and writes in one transaction; "lease": effects may lie outside the database
    lease: float = 30.0  # mode "lease": seconds after which a holder that is not heard of loses the request
    max_run: float = 600.0  # mode "lease": seconds after which the lease of a view that still runs is renewed no more
    completes: bool = False  # mode "lease": what is left unfinished is run to its end by dist_complete
    keep_request: str | None = None  # for completes: "plain", or "encrypted" with a key made from SECRET_KEY
    keep_headers: tuple[str, ...] = ("Accept", "Accept-Language")  # kept beside the key's and the body's own
    max_request_bytes: int = 2**20  # the body of a longer request is not kept, so its client alone can repeat it
    record: str | Keep = "final"  # "final": below 500; "all": 5xx too; "success": below 400; or a function
    on_unavailable: str = "refuse"  # or "run": run unguarded while the store is down
    credentials: tuple[str, ...] = ("Authorization", "X-API-Key")  # what binds a record where nobody is known
    max_response_bytes: int = 2**20  # a longer answer is sent, not kept
    replay_headers: tuple[str, ...] | None = None  # replay these alone; None: all but the deny-list
    using: str = "default"  # alias in DIST_IDEMPOTENCY
    problem: Problem | None = None  # shape of refusals: function of request and error; None: RFC 9457

    def keeps(self, response: HttpResponseBase) -> bool:
        """Return whether the answer is recorded, and so the writes behind it last."""
        keep = self.record if callable(self.record) else RECORDS[self.record]
        return keep(response)


NAMES: Final = frozenset(field.name for field in fields(Policy))
CHOICES: Final = {
    "key_format": frozenset(FORMATS),
    "record": frozenset(RECORDS),
    "scope": frozenset({"user", "credentials"}),
    "on_unavailable": frozenset({"refuse", "run"}),
    "mode": frozenset({"atomic", "lease"}),
    "keep_request": frozenset({"plain", "encrypted"}),
}
#: What tells who somebody is: never kept, whatever a policy says.
SECRET_HEADERS: Final = frozenset(
    {"authorization", "cookie", "proxy-authorization", "x-api-key", "x-auth-token", "x-csrftoken"}
)
#: The smallest value of each number.
LEAST: Final = {
    "ttl": 1,
    "wait": 0,
    "lease": 0.1,
    "max_run": 0.1,
    "max_response_bytes": 0,
    "max_request_bytes": 0,
}
DEFAULTS: Final = Policy()
HOOKS: Final = ("scope", "fingerprint", "record", "problem")


def check_names(where: str, keywords: Mapping[str, Any], extra: frozenset[str] = frozenset()) -> None:
    """Raise InvalidBackend, naming what is accepted, for a keyword that Policy does not have."""
    if unknown := sorted(set(keywords) - NAMES - extra):
        raise InvalidBackend(f"{where}: unknown policy keywords {unknown}; accepted are {sorted(NAMES | extra)}")


def make_policy(where: str, keywords: Mapping[str, Any]) -> Policy:
    """Return the policy of ``keywords``; raises InvalidBackend for a value that cannot be meant."""
    check_names(where, keywords)
    values = dict(keywords)
    for name in ("methods", "header", "credentials", "replay_headers", "keep_headers"):
        if isinstance(values.get(name), str):
            values[name] = (values[name],)
        elif values.get(name) is not None:
            values[name] = tuple(values[name])
    if "methods" in values:
        values["methods"] = tuple(method.upper() for method in values["methods"])
    for name in HOOKS:
        if isinstance(values.get(name), str) and "." in values[name]:
            values[name] = import_string(values[name])
    policy = Policy(**values)
    _check_values(where, policy)
    return policy


def _check_values(where: str, policy: Policy) -> None:
    for name, choices in CHOICES.items():
        value = getattr(policy, name)
        if value not in choices and not (name in HOOKS and callable(value)) and value != getattr(DEFAULTS, name):
            function = ", or a function" if name in HOOKS else ""
            raise InvalidBackend(f"{where}: {name}={value!r} is not one of {sorted(choices)}{function}")
    for name in ("fingerprint", "problem"):
        if getattr(policy, name) is not None and not callable(getattr(policy, name)):
            raise InvalidBackend(f"{where}: {name}={getattr(policy, name)!r} is not a function or its dotted path")
    for name, least in LEAST.items():
        value = getattr(policy, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < float("inf"):
            raise InvalidBackend(f"{where}: {name}={value!r} is not a number of at least {least}")
    if not policy.header or not policy.methods:
        raise InvalidBackend(f"{where}: header and methods must name at least one")
    secret = SECRET_HEADERS | {name.lower() for name in policy.credentials}
    if found := sorted(name for name in policy.keep_headers if name.lower() in secret):
        raise InvalidBackend(f"{where}: keep_headers names {found}: credentials are never kept; leave them out")


class PolicySource:
    """The keywords of one view over those of the site, read when first asked for."""

    def __init__(self, where: str, keywords: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> None:
        check_names(where, keywords)
        self.where, self.keywords, self._defaults = where, keywords, defaults or {}
        self._policy: Policy | None = None
        setting_changed.connect(self._forget)

    def policy(self) -> Policy:
        """Return the policy in force; raises InvalidBackend."""
        if self._policy is None:
            site = site_keywords(self.keywords.get("using"))
            self._policy = make_policy(self.where, {**self._defaults, **site, **self.keywords})
        return self._policy

    def _forget(self, *, setting: str, **_: Any) -> None:
        if setting == "DIST_IDEMPOTENCY":
            self._policy = None


def site_keywords(using: str | None = None) -> dict[str, Any]:
    """Return the site's POLICY: that of ``default``, then that of the alias in use over it."""
    entries = configured("DIST_IDEMPOTENCY")
    keywords: dict[str, Any] = {}
    for alias in ("default", using or entries["default"].get("POLICY", {}).get("using", "default")):
        own = entries.get(alias, {}).get("POLICY", {})
        check_names(f"DIST_IDEMPOTENCY[{alias!r}]['POLICY']", own, frozenset({"all_views"}))
        keywords |= own
    keywords.pop("all_views", None)
    return keywords


def all_views() -> bool:
    """Return whether the site guards every unsafe request that carries a key."""
    return bool(configured("DIST_IDEMPOTENCY")["default"].get("POLICY", {}).get("all_views", False))
