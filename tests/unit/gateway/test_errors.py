"""Does every error have its place in both profiles, and does each profile speak its own words?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from litemaas.core import errors
from litemaas.core.errors import LiteMaaSError
from litemaas.gateway.errors import PROFILE_1_81, PROFILES, body_of, headers_of, row_of, status_of, stream_event

RESET = datetime(2026, 11, 23, 19, 1, tzinfo=UTC)


def leaves(kind: type[LiteMaaSError] = LiteMaaSError) -> Iterator[type[LiteMaaSError]]:
    below = [child for child in kind.__subclasses__() if child.__module__ == "litemaas.core.errors"]
    if not below:
        yield kind
    for child in below:
        yield from leaves(child)


def limited(kind: str = "requests") -> errors.RateLimited:
    return errors.RateLimited("text", "key", kind, 5, 7, RESET)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_leaf_is_in_the_table_and_nothing_else(profile: str) -> None:
    assert set(PROFILES[profile]) == set(leaves())


def test_no_entry_of_one_profile_is_changed_by_the_other() -> None:
    different = {
        kind for kind in PROFILE_1_81 if PROFILES["current"][kind][:1] != PROFILE_1_81[kind][:1]
    }  # statuses that the contract lists as different
    assert different == {errors.KeyExpired, errors.ModelNotAllowed, errors.BudgetExhausted, errors.KeyUncheckable}


def error_of(error: LiteMaaSError, profile: str) -> tuple[object, object, object]:
    told = json.loads(body_of(error, profile))["error"]
    assert set(told) == {"message", "type", "param", "code"}
    return told["type"], told["param"], told["code"]


@pytest.mark.parametrize(
    ("error", "older", "newer"),
    [
        (errors.KeyMissing("m"), ("auth_error", "None", "401"), ("auth_error", None, "401")),
        (errors.KeyUnknown("m"), ("token_not_found_in_db", "key", "401"), ("token_not_found_in_db", "key", "401")),
        (errors.KeyExpired("m", "sk-...abcd"), ("expired_key", "sk-...abcd", "400"), ("expired_key", "sk-...abcd", "401")),
        (errors.ModelNotAllowed("m"), ("key_model_access_denied", "model", "401"), ("key_model_access_denied", "model", "403")),
        (errors.BudgetExhausted("m", "key", 1, 1), ("budget_exceeded", None, "400"), ("budget_exceeded", None, "429")),
        (limited(), ("None", "None", "429"), ("throttling_error", None, "429")),
        (errors.ModelUnknown("m"), (None, None, "400"), (None, None, "400")),
        (errors.ModelUnknown("m", "model"), (None, "model", "400"), (None, "model", "400")),
        (errors.MissingField("m", "messages"), ("invalid_request_error", "messages", "400"),) * 1
        + (("invalid_request_error", "messages", "400"),),
        (errors.NotFound("m", "model"), ("not_found_error", "model", "404"), ("not_found_error", "model", "404")),
        (errors.KeyUncheckable("m"), ("no_db_connection", None, "400"), ("no_db_connection", None, "503")),
        (errors.PromptTooLong("m", "messages"), (None, "messages", "400"), (None, "messages", "context_length_exceeded")),
        (errors.UpstreamRefused("m", 418), (None, None, "418"), (None, None, "418")),
        (errors.UpstreamRefused("m", 429), ("throttling_error", None, "429"), ("throttling_error", None, "429")),
        (errors.UpstreamRefused("m", 400, None, "context_length_exceeded"), (None, None, "400"),
         (None, None, "context_length_exceeded")),
        (errors.UpstreamRefused("m", 400, None, "other"), (None, None, "400"), (None, None, "400")),
        (errors.Unexpected("m"), ("internal_server_error", None, "500"), ("internal_server_error", None, "500")),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, LiteMaaSError) else "",
)  # fmt: skip
def test_each_profile_has_the_contracts_words(error: LiteMaaSError, older: object, newer: object) -> None:
    assert error_of(error, "1.81") == older
    assert error_of(error, "current") == newer


def test_a_kind_that_is_not_listed_is_told_as_its_nearest_ancestor_or_as_a_defect() -> None:
    class Odd(errors.KeyUnknown):
        pass

    class Odder(LiteMaaSError):
        pass

    assert row_of(Odd("m"), "1.81") == PROFILE_1_81[errors.KeyUnknown]
    assert status_of(Odder("m"), "1.81") == 500


def test_headers_say_when_to_come_back() -> None:
    assert headers_of(limited()) == (
        b"retry-after: 7\r\nrate_limit_type: requests\r\nreset_at: 2026-11-23 19:01:00 UTC\r\n"
    )
    assert b"rate_limit_type: max_parallel_requests\r\n" in headers_of(limited("max_parallel_requests"))
    assert b"rate_limit_type: concurrent_requests\r\n" in headers_of(limited("max_parallel_requests"), "current")
    assert headers_of(errors.NoDeploymentAvailable("m", 3)) == b"retry-after: 3\r\n"
    assert headers_of(errors.UpstreamTimeout("m", 0.5)) == b"x-litellm-timeout: 0.5\r\n"
    assert headers_of(errors.MethodNotAllowed("m", ("GET", "HEAD"))) == b"allow: GET, HEAD\r\n"
    assert headers_of(errors.ServiceUnavailable("m")) == b"retry-after: 1\r\n"
    assert headers_of(errors.UpstreamRefused("m", 500)) == headers_of(errors.KeyMissing("m")) == b""


def test_an_engine_cannot_write_headers_through_its_retry_after() -> None:
    assert (
        headers_of(errors.UpstreamRefused("m", 429, "7\r\nset-cookie: x=1\té")) == b"retry-after: 7set-cookie: x=1\r\n"
    )


def test_an_error_within_a_stream_is_one_event() -> None:
    event = stream_event(errors.UpstreamDied("broke\n\noff"), "1.81")
    assert event.startswith(b"data: {")
    assert event.endswith(b"}\n\n")
    assert event.count(b"\n") == 2
