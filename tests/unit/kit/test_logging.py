"""Does a log line reach standard error, and does nobody suffer when it cannot?"""

from __future__ import annotations

import io
import json
import sys

import pytest
import structlog

from litemaas.kit.logging import configure_logging


class Full(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_line_is_one_json_object_on_standard_error(capsys: pytest.CaptureFixture[str]):
    structlog.get_logger().warning("the disk is full", records=3)
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["records"]) == ("the disk is full", "warning", 3)
    assert line["timestamp"].endswith("Z")


def test_each_line_goes_to_the_stream_of_its_moment(monkeypatch: pytest.MonkeyPatch):
    log = structlog.get_logger().bind(worker="1")
    first, second = io.StringIO(), io.StringIO()
    for stream in (first, second):
        monkeypatch.setattr(sys, "stderr", stream)
        log.info("said")
    assert [stream.getvalue().count("said") for stream in (first, second)] == [1, 1]


@pytest.mark.parametrize("broken", ["closed", "full"])
def test_a_log_that_cannot_be_written_ends_nobodys_work(broken: str, monkeypatch: pytest.MonkeyPatch):
    stream = Full() if broken == "full" else io.StringIO()
    if broken == "closed":
        stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    structlog.get_logger().error("unheard")


def test_an_error_is_told_by_its_kind_and_place_because_its_message_may_hold_a_key(capsys: pytest.CaptureFixture[str]):
    secret = "sk-" + "very-secret"
    try:
        int(secret)
    except ValueError as error:
        structlog.get_logger().error("a defect", exc_info=error)
    said = capsys.readouterr().err
    assert secret not in said
    assert json.loads(said)["error"] == "ValueError"


def test_what_is_less_than_the_level_is_not_written(capsys: pytest.CaptureFixture[str]):
    configured = structlog.get_config()
    try:
        configure_logging("error")
        log = structlog.get_logger()
        log.warning("quiet")
        log.error("loud")
    finally:
        structlog.configure(**configured)
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["loud"]
