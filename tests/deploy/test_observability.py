"""Do dashboards, rules and alerts know the metrics that there are? promtool and a real Prometheus say so."""

from __future__ import annotations

import asyncio
import json
import math
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import dashboards
import httpx2 as httpx
import pytest
import yaml
from tests.deploy.conftest import CHART, DEPLOY, ROOT
from tests.deploy.ports import free_port
from tests.deploy.validation import faults_of, objects_of

from litemaas.sim.testing import SimulatedServers

OBSERVABILITY = DEPLOY / "observability"
RULES = {
    "platform": CHART / "files/rules.yaml",
    "models": DEPLOY / "gitops/model-serving/rules.yaml",
    "gpus": OBSERVABILITY / "gpu-rules.yaml",
}
needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
_NAME = re.compile(r"(?<![\w:\"$.])([a-zA-Z_][\w:]*)(?=\s*[{\[)]|\s*$|\s+(?:[-+*/<>=!]|or|and|unless)|\s*\))")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_CLAUSE = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_WORDS = {"or", "and", "unless", "by", "on", "bool"}
STEP_S, STEPS = 30, 90


def _groups(which: str) -> list[dict[str, Any]]:
    read = yaml.safe_load(RULES[which].read_text())
    groups: list[dict[str, Any]] = read["spec"]["groups"] if "spec" in read else read["groups"]
    return groups


def _rules() -> Iterator[dict[str, Any]]:
    for which in RULES:
        for group in _groups(which):
            yield from group["rules"]


def _queries() -> list[tuple[str, str]]:
    """Every query of every dashboard, by where it stands."""
    found = []
    for path in sorted((CHART / "files/dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            found += [(f"{path.stem}: {panel['title']}", target["expr"]) for target in panel.get("targets", [])]
    return found


def metrics_in(expression: str) -> set[str]:
    """The names of the series that a PromQL expression reads."""
    bare = re.sub(r"\{[^}]*\}", "{}", _STRING.sub('""', expression))
    bare = re.sub(r"\[[^\]]*\]", "[]", _CLAUSE.sub("", bare))
    return {m[1] for m in _NAME.finditer(bare) if m[1] not in _WORDS}


def _foreign() -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "foreign_metrics.yaml").read_text())
    return read


def _own() -> dict[str, tuple[str, list[str]]]:
    """Our own metrics: kind and labels, as the reference page has them."""
    found = {}
    for line in (ROOT / "docs/reference/metrics.md").read_text().splitlines():
        if line.startswith("| `"):
            name, kind, labels, _ = (cell.strip() for cell in line.strip("|").split("|", 3))
            found[name.split("`")[1].removesuffix("_bucket")] = (kind, re.findall(r"`(\w+)`", labels))
    return found


def _known() -> set[str]:
    known = set()
    kinds = [(name, kind) for name, (kind, _) in _own().items()]
    kinds += [(name, kind) for entry in _foreign() for kind, names in entry["metrics"].items() for name in names]
    for name, kind in kinds:
        known |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"} if kind == "histogram" else {name}
    return known | {rule["record"] for rule in _rules() if "record" in rule}


def test_names_are_read_out_of_expressions():
    assert metrics_in('sum by (a) (rate(x_total{b="c"}[5m])) / on (d) y:z{e=~"f(g)"} or vector(0)') == {
        "x_total",
        "y:z",
    }
    assert metrics_in("histogram_quantile(0.9, sum by (le) (rate(h_bucket[5m])))") == {"h_bucket"}


@pytest.mark.parametrize("where", ["dashboards", "rules"])
def test_every_query_reads_metrics_that_there_are(where: str):
    known = _known()
    queries = (
        _queries()
        if where == "dashboards"
        else [(str(rule.get("alert", rule.get("record"))), rule["expr"]) for rule in _rules()]
    )
    assert len(queries) > 20
    assert all(metrics_in(expr) for _, expr in queries)
    assert [(place, name) for place, expr in queries for name in metrics_in(expr) - known] == []


async def test_the_simulated_vllm_has_what_the_table_says():
    async with SimulatedServers() as sim, httpx.AsyncClient() as client:
        page = (await client.get(f"{sim.chat.url}/metrics")).text
    simulated = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE vllm:")}
    table = {
        name
        for entry in _foreign()
        if entry.get("generation") == "new"
        for names in entry["metrics"].values()
        for name in names
    }
    assert simulated <= table


def test_every_dashboard_has_an_address_of_its_own_and_no_old_hand():
    files = sorted((CHART / "files/dashboards").glob("*.json"))
    made = dashboards.dashboards()
    assert [path.stem for path in files] == sorted(made)
    assert len({d.uid for d in made.values()}) == len(made) == 6
    assert made["gpu"].uid == "nvidia-vllm-gpu-metrics"
    for path in files:
        read = json.loads(path.read_text())
        ids = [panel["id"] for panel in read["panels"]]
        assert len(ids) == len(set(ids))
        assert all(p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in read["panels"])
        names = {v["name"] for v in read["templating"]["list"]} | {"__rate_interval"}
        for panel in read["panels"]:
            for target in panel.get("targets", []):
                assert set(re.findall(r"\$(\w+)", target["expr"])) <= names


def _write_rules(folder: Path) -> None:
    for which in RULES:
        (folder / f"{which}.rules.yaml").write_text(yaml.safe_dump({"groups": _groups(which)}, sort_keys=False))


@needs_promtool
def test_rules_are_read_and_alerts_fire_when_they_should(tmp_path: Path):
    _write_rules(tmp_path)
    checked = subprocess.run(
        ["promtool", "check", "rules", *map(str, tmp_path.glob("*.rules.yaml"))], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for name in ("platform", "models"):
        text = (OBSERVABILITY / f"tests/{name}.yaml").read_text()
        (tmp_path / f"{name}.yaml").write_text(
            text.replace("../../helm/litemaas/files/rules.yaml", "platform.rules.yaml")
        )
        tested = subprocess.run(
            ["promtool", "test", "rules", str(tmp_path / f"{name}.yaml")], capture_output=True, text=True
        )
        assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_has_a_test_in_which_it_fires_and_a_runbook():
    fired = {
        test["alertname"]
        for name in ("platform", "models")
        for case in yaml.safe_load((OBSERVABILITY / f"tests/{name}.yaml").read_text())["tests"]
        for test in case.get("alert_rule_test", [])
        if test["exp_alerts"]
    }
    alerts = [rule for rule in _rules() if "alert" in rule]
    assert {rule["alert"] for rule in alerts} == fired
    page = (ROOT / "docs/how-to/alerts.md").read_text()
    headings = {heading.lower() for heading in re.findall(r"^## (\w+)$", page, re.MULTILINE)}
    for rule in alerts:
        path, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert path == "docs/how-to/alerts.md"
        assert anchor in headings
        assert rule["labels"]["severity"] in ("warning", "critical")


@pytest.mark.parametrize("path", sorted((OBSERVABILITY / "grafana").glob("*.yaml")), ids=lambda p: p.name)
def test_grafana_s_objects_are_valid_and_let_nobody_in_unasked(path: Path):
    text = path.read_text()
    things = objects_of(text)
    assert [fault for thing in things for fault in faults_of(thing)] == []
    assert not re.search(r"eyJ|Bearer (?!\$\{)|cookie-secret=", text)
    for thing in things:
        if thing["kind"] == "Grafana":
            config = thing["spec"]["config"]
            assert config["auth.anonymous"] == config["auth.basic"] == {"enabled": "false"}
            assert config["users"]["auto_assign_org_role"] == "Viewer"
        assert thing["kind"] != "Secret" or "data" not in thing


def _open_metrics(generation: str, start: int) -> str:
    """Synthetic series of all that we know, as OpenMetrics text; counters grow, gauges stand at half."""
    times = [start + n * STEP_S for n in range(STEPS)]
    lines: dict[str, list[str]] = {}

    def add(name: str, kind: str, labels: dict[str, str]) -> None:
        text = ",".join(f'{k}="{v}"' for k, v in labels.items())
        family = name.removesuffix("_total") if kind == "counter" else name
        rows = lines.setdefault(
            family, [f"# TYPE {family} {kind if name.endswith('_total') or kind != 'counter' else 'unknown'}"]
        )
        for n, at in enumerate(times):
            if kind == "histogram":
                rows += [
                    f'{name}_bucket{{{text},le="{le}"}} {n * share} {at}'
                    for le, share in (("1.0", 2), ("5.0", 5), ("+Inf", 6))
                ]
                rows += [f"{name}_count{{{text}}} {n * 6} {at}", f"{name}_sum{{{text}}} {n * 20} {at}"]
            else:
                rows.append(f"{name}{{{text}}} {n * 10 if kind == 'counter' else 0.5} {at}")

    for entry in _foreign():
        if entry.get("generation", generation) == generation:
            for kind, names in entry["metrics"].items():
                for name in names:
                    add(name, kind, entry["labels"])
    values = {"status_code": ("200", "429", "502"), "kind": ("prompt", "completion")}
    for name, (kind, labels) in _own().items():
        varied = next((label for label in labels if label in values), None)
        for value in values.get(varied or "", ("",)):
            given = dict.fromkeys(labels, "x") | ({varied: value} if varied else {})
            add(name, kind, {**given, "namespace": "litemaas", "pod": "g-0", "worker": "g-0"})
    return "".join("\n".join(_by_series(rows)) + "\n" for rows in lines.values()) + "# EOF\n"


def _by_series(rows: list[str]) -> list[str]:
    """OpenMetrics wants all samples of a series together, in order of time."""
    return [rows[0], *sorted(rows[1:], key=lambda row: (row.rpartition("}")[0], int(row.rpartition(" ")[2])))]


@pytest.fixture(params=["new", "old"])
async def prometheus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[str, str, int]]:
    """A real Prometheus with series of one generation of vLLM; its address, the generation, and a time to ask for."""
    start = 1_750_000_000
    (tmp_path / "series.txt").write_text(_open_metrics(request.param, start))
    data = tmp_path / "data"
    await _run("promtool", "tsdb", "create-blocks-from", "openmetrics", str(tmp_path / "series.txt"), str(data))
    port = free_port()
    (tmp_path / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    process = await asyncio.create_subprocess_exec(
        "prometheus", f"--config.file={tmp_path / 'prometheus.yml'}", f"--storage.tsdb.path={data}",
        f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=100y", "--log.level=error",
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient() as client, asyncio.timeout(60):
            while True:
                try:
                    if (await client.get(f"{url}/-/ready")).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)
        yield url, request.param, start + STEP_S * (STEPS - 1)
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 30)


async def _run(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output.decode()[-2000:]


@needs_promtool
@pytest.mark.skipif(shutil.which("prometheus") is None, reason="Prometheus is not installed")
async def test_every_query_of_every_dashboard_answers_with_either_generation(prometheus: tuple[str, str, int]):
    url, generation, at = prometheus
    recorded = {rule["record"]: rule["expr"] for rule in _rules() if "record" in rule}
    silent = []
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        for place, expression in _queries():
            asked = _spelled_out(expression, recorded)
            reply = await client.get("/api/v1/query", params={"query": asked, "time": str(at)})
            assert reply.status_code == 200, (place, asked, reply.text)
            values = [float(row["value"][1]) for row in reply.json()["data"]["result"]]
            if all(map(math.isnan, values)):  # or none
                silent.append((place, asked))
    # Deployments in state 2 and what only old engines have are not there to see.
    assert [it for it in silent if "== 2" not in it[1]] == [], generation


def _spelled_out(expression: str, recorded: dict[str, str]) -> str:
    """Without recorded rules and without variables."""
    for record in sorted(recorded, key=len, reverse=True):
        expression = re.sub(rf"{record}(?![\w:])", lambda _: f"({recorded[record]})", expression)  # noqa: B023 - used at once
    expression = expression.replace("$__rate_interval", "2m")
    return re.sub(r"\$(namespace|model_name|model|instance|gpu|interface|name)\b", ".*", expression)
