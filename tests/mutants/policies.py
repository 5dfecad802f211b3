"""Faults of the policy: a keyword that is not obeyed."""

import dataclasses
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from django_dist.idempotency import (
    policy,
)
from mutants import MUTANTS


def policies_with(**changes: Any) -> AbstractContextManager[Any]:
    """Let every policy have ``changes``, whatever a site or a view says."""
    read = policy.PolicySource.policy
    return patch.object(policy.PolicySource, "policy", lambda self: dataclasses.replace(read(self), **changes))


def seeded(name: str, **changes: Any) -> None:
    """Enter a mutant whose fault is a policy that is not obeyed."""
    MUTANTS[name] = lambda: policies_with(**changes)


seeded("key_need_not_be_there", required=False)


seeded("key_is_always_required", required=True)


seeded("every_method_is_guarded", methods=("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"))


seeded("only_post_is_guarded", methods=("POST",))


seeded("second_header_is_not_read", header=("Idempotency-Key",))


seeded("key_of_any_form", key_format="opaque")


seeded("uuid_of_any_version", key_format="uuid")


seeded("uuid_of_version_4_alone", key_format="uuid4")


seeded("scope_is_ignored", scope=lambda request: "all")


seeded("scope_is_the_credentials", scope="credentials")


seeded("scope_is_the_user", scope="user")


seeded("body_is_ignored", fingerprint=lambda request: "")


seeded("fingerprint_function_is_ignored", fingerprint=None)


seeded("ttl_is_a_day", ttl=86_400.0)


seeded("everything_is_kept", record=lambda response: True)


seeded("only_success_is_kept", record="success")


seeded("nothing_is_kept", record=lambda response: False)


seeded("record_is_always_final", record="final")


seeded("runs_while_the_store_is_down", on_unavailable="run")


seeded("never_runs_while_the_store_is_down", on_unavailable="refuse")


seeded("binding_without_credentials", credentials=())


seeded("credentials_are_the_default", credentials=("Authorization", "X-API-Key"))


seeded("answers_of_any_length_are_kept", max_response_bytes=2**30)


seeded("no_answer_is_kept", max_response_bytes=0)


seeded("replay_headers_is_ignored", replay_headers=None)


seeded("no_header_is_replayed", replay_headers=())


seeded("problem_hook_is_ignored", problem=None)
