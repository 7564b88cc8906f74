"""When is a deployment left alone, for how long, and who may try it again?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from litemaas.core.catalog import Deployment
from litemaas.core.errors import (
    UpstreamDied,
    UpstreamFailure,
    UpstreamGarbage,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from litemaas.gateway.cooling import Condition, FailureKind, kind_of, seconds_of
from litemaas.gateway.settings import RoutingSettings

NOW = 1000.0
MOMENT = datetime(2026, 11, 25, 12, tzinfo=UTC)


def condition(*, alone: bool = False, cooldown_s: float | None = None, **settings: object) -> Condition:
    deployment = Deployment(
        id="d1", model="m", provider="vllm", engine_model="e", api_base="http://e/v1", cooldown_s=cooldown_s
    )
    made = Condition(deployment, RoutingSettings(**settings))  # type: ignore[arg-type]
    made.is_alone = alone
    return made


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (UpstreamRefused("", 429), FailureKind.RATE),
        (UpstreamRefused("", 401), FailureKind.CREDENTIAL),
        (UpstreamRefused("", 408), FailureKind.TIMEOUT),
        (UpstreamRefused("", 500), FailureKind.SERVER),
        (UpstreamRefused("", 503), FailureKind.SERVER),
        (UpstreamTimeout("", 1.0), FailureKind.TIMEOUT),
        (UpstreamUnreachable(""), FailureKind.CONNECTION),
        (UpstreamDied(""), FailureKind.SERVER),
        (UpstreamGarbage(""), FailureKind.SERVER),
        (UpstreamUnreachable("", is_ours=True), None),
        (UpstreamRefused("", 501), None),
        *[(UpstreamRefused("", status), None) for status in (400, 402, 403, 404, 409, 413, 422)],
    ],
)
def test_only_what_the_engine_did_wrong_counts_against_it(failure: UpstreamFailure, kind: FailureKind | None):
    assert kind_of(failure) is kind


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0), ("0.5", 0.5), (format_datetime(MOMENT + timedelta(seconds=90), usegmt=True), 90.0), (None, None),
        ("0", None), ("-3", None), ("soon", None), ("nan", None), ("inf", None),
        (format_datetime(MOMENT - timedelta(seconds=90), usegmt=True), None), ("Wed, 25 Nov 2026 12:00:30", None),
    ],
)  # fmt: skip
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str | None, seconds: float | None):
    assert seconds_of(header, MOMENT) == seconds


def test_one_that_has_others_beside_it_is_left_alone_at_once_and_longer_each_time():
    one = condition()
    for expected in (5.0, 10.0, 20.0, 40.0, 60.0, 60.0):
        one.fail(FailureKind.SERVER, "", NOW)
        assert one.cold_until == NOW + expected
        assert one.is_cold(NOW)
        assert not one.is_cold(NOW + expected)
    one.recover()
    one.fail(FailureKind.SERVER, "", NOW)
    assert one.cold_until == NOW + 5.0


def test_a_lone_one_bears_failures_until_they_come_in_a_row():
    lone = condition(alone=True)
    for _ in range(2):
        lone.fail(FailureKind.CONNECTION, "", NOW)
        assert not lone.is_cold(NOW)
        lone.recover()
    for _ in range(2):
        lone.fail(FailureKind.CONNECTION, "", NOW)
    assert not lone.is_cold(NOW)
    lone.fail(FailureKind.CONNECTION, "", NOW)
    assert lone.is_cold(NOW)


def test_a_lone_one_whose_credential_is_refused_goes_on_saying_so():
    lone = condition(alone=True)
    for _ in range(50):
        lone.fail(FailureKind.CREDENTIAL, "", NOW)
    assert not lone.is_cold(NOW)


def test_what_the_engine_asks_for_is_obeyed_within_reason():
    one = condition()
    one.fail(FailureKind.RATE, "", NOW, retry_after_s=17.0)
    assert one.cold_until == NOW + 17.0
    one.fail(FailureKind.RATE, "", NOW, retry_after_s=86_400.0)
    assert one.cold_until == NOW + 300.0


def test_a_deployment_has_a_time_of_its_own_and_none_at_all_switches_it_off():
    one = condition(cooldown_s=120.0)
    one.fail(FailureKind.SERVER, "", NOW)
    assert one.cold_until == NOW + 120.0
    for never in (condition(cooldown_s=0.0), condition(cooldowns=False)):
        never.fail(FailureKind.SERVER, "", NOW)
        assert not never.is_cold(NOW)
        assert never.failed == {FailureKind.SERVER: 1}


def test_after_the_cool_down_one_call_tries_and_the_others_wait_for_it():
    one = condition()
    one.fail(FailureKind.SERVER, "", NOW)
    later = NOW + 5.0
    assert not one.is_cold(later)
    one.begin_try(later)
    assert one.is_cold(later)
    assert not one.is_cold(later + 5.0)  # a try that never ends does not keep it away for ever
    one.recover()
    assert not one.is_cold(later)


def test_the_speed_is_a_moving_average_that_is_forgotten():
    one = condition()
    one.answered(True, 1.0, 10, 20, NOW)
    one.answered(True, 2.0, 10, 20, NOW)
    assert one.first_byte_s == pytest.approx(1.2)
    one.running = 1
    assert one.speed(True, one.measured_at) == pytest.approx(2.4)
    assert one.speed(True, one.measured_at + 61) == 0.0
    one.answered(False, 2.2, 10, 20, NOW)
    assert one.token_s == pytest.approx(0.2)
    assert one.tokens == 60
