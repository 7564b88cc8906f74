"""Does a rehearsal run against the real gateway with a simulated model, and fail where it must?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from litemaas.cli.main import app
from litemaas.cli.up.demo import MODEL_NAMES

from .conftest import NewKey

CHAT = next(iter(MODEL_NAMES))
QUICK = ["--people", "4", "--turns", "2", "--workers", "4", "--max-tokens", "8", "--words", "50", "--min-delay", "0",
         "--max-delay", "0"]  # fmt: skip


def bench(platform: Mapping[str, str], key: str, *arguments: str) -> tuple[int, str]:
    url = f"{platform['LITEMAAS_GATEWAY_URL']}/v1"
    outcome = CliRunner().invoke(
        app, ["bench", CHAT, "--url", url, *QUICK, *arguments], env={"LITEMAAS_BENCH_KEY": key}, catch_exceptions=False
    )
    return outcome.exit_code, outcome.output


def test_a_rehearsal_passes_and_writes_its_report(platform: Mapping[str, str], new_key: NewKey, tmp_path: Path):
    html, figures = tmp_path / "report.html", tmp_path / "figures.json"
    status, said = bench(platform, new_key(), "--html", str(html), "--json", str(figures))
    assert status == 0, said
    assert "PASS" in said
    result = json.loads(figures.read_text())["result"]
    assert (result["total_requests"], result["successful_requests"], result["errors"]) == (8, 8, {})
    assert result["output_tokens"] > 0
    assert 0 < result["p50_ms"] <= result["p95_ms"] <= result["p99_ms"]
    assert "<h1>Rehearsal of 4 people" in html.read_text()


@pytest.mark.parametrize(("fail_on", "expected"), [("fail", 1), ("never", 0)])
def test_a_rehearsal_without_one_answer_fails(platform: Mapping[str, str], fail_on: str, expected: int):
    status, said = bench(platform, "sk-nobody-knows-this-key", "--fail-on", fail_on)
    assert status == expected
    assert "nothing was answered" in said
    assert "8 × HTTP 401" in said


def test_the_key_is_not_an_argument_and_not_in_what_is_written(
    platform: Mapping[str, str], new_key: NewKey, tmp_path: Path
):
    key = new_key()
    files = [tmp_path / "a.html", tmp_path / "a.json"]
    _, said = bench(platform, key, "--html", str(files[0]), "--json", str(files[1]))
    assert all(key not in text for text in (said, *(file.read_text() for file in files)))
    without = CliRunner().invoke(app, ["bench", CHAT], env={"LITEMAAS_BENCH_KEY": ""})
    assert without.exit_code == 2
