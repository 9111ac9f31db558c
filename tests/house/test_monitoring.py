"""The alerts, routes and dashboard that are delivered: valid, tried, explained, and true."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.metrics import sources
from tests.tools import require_tool

PROJECT = Path(__file__).resolve().parents[2]
DEPLOY, DOCS = PROJECT / "deploy", PROJECT / "docs" / "operators"
RULES = DEPLOY / "prometheus" / "strongroom.rules.yml"
TESTS = DEPLOY / "prometheus" / "strongroom.rules.test.yml"
ROUTES = DEPLOY / "alertmanager" / "alertmanager.example.yml"
DASHBOARD = DEPLOY / "grafana" / "strongroom.json"
ALERTS: dict[str, Any] = {
    rule["alert"]: rule
    for group in yaml.safe_load(RULES.read_text())["groups"]
    for rule in group["rules"]
}
METRIC = re.compile(r"\b(?:strongroom|audit_export|intelgraph)_[a-z0-9_]+")
SUFFIX = re.compile(r"_(total|bucket|count|sum)$")


def tool(name: str, *arguments: str) -> None:
    done = subprocess.run(
        [require_tool(name), *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def known() -> set[str]:
    return {metric.name for source in sources.all_sources() for metric in source.describe()}


def metrics_in(text: str) -> set[str]:
    return {SUFFIX.sub("", name) for name in METRIC.findall(text)}


def test_rules_are_valid() -> None:
    tool("promtool", "check", "rules", str(RULES))


def test_rules_fire_when_they_should_and_only_then() -> None:
    tool("promtool", "test", "rules", str(TESTS))


def test_examples_are_valid() -> None:
    example = DEPLOY / "prometheus" / "prometheus.example.yml"
    tool("promtool", "check", "config", "--syntax-only", str(example))
    tool("amtool", "check-config", str(ROUTES))


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_each_alert_is_tried_both_ways(name: str) -> None:
    cases = [
        bool(case.get("exp_alerts"))
        for group in yaml.safe_load(TESTS.read_text())["tests"]
        for case in group["alert_rule_test"]
        if case["alertname"] == name
    ]
    assert {True, False} == set(cases)


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_each_alert_says_what_it_is_and_where_it_is_explained(name: str) -> None:
    alert = ALERTS[name]
    told = alert["annotations"]
    assert told["summary"] and told["description"]
    page, _, anchor = told["runbook_url"].partition("#")
    assert page.endswith("/operators/alerts.md")
    assert anchor == name.lower()
    text = (DOCS / "alerts.md").read_text()
    section = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    for part in ("**For the evidence.**", "**Check.**", "**Do.**"):
        assert part in section, part
    severity, team = alert["labels"]["severity"], alert["labels"]["team"]
    assert f"| [{name}](#{anchor}) | {severity} | `#{team}` |" in text


def test_names_that_are_promised() -> None:
    soc2 = ALERTS["SOC2EvidenceJobFailed"]
    assert soc2["labels"] == {"severity": "critical", "team": "compliance"}
    assert 'intelgraph_soc2_job_runs_total{status="failure"}' in soc2["expr"]
    assert "0.01" in ALERTS["audit_export_job_failed"]["expr"]


@pytest.mark.parametrize("team", sorted({alert["labels"]["team"] for alert in ALERTS.values()}))
def test_each_team_is_told_in_its_channel(team: str) -> None:
    amtool = require_tool("amtool")
    arguments = ["config", "routes", "test", f"--config.file={ROUTES}", f"team={team}"]
    done = subprocess.run([amtool, *arguments], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == [f"#{team}"], done.stderr


def test_rules_and_dashboard_are_about_metrics_that_there_are() -> None:
    for alert in ALERTS.values():
        assert metrics_in(alert["expr"]) <= known()
    assert metrics_in(DASHBOARD.read_text()) <= known()


def test_every_metric_is_described() -> None:
    assert metrics_in((DOCS / "metrics.md").read_text()) == known()


def test_dashboard_is_one_of_grafana() -> None:
    found = json.loads(DASHBOARD.read_text())
    panels = [panel for panel in found["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
    assert all(panel["description"] and panel["targets"] for panel in panels)
    assert {variable["name"] for variable in found["templating"]["list"]} == {"datasource", "job"}


def test_expressions_of_the_dashboard_can_be_read(tmp_path: Path) -> None:
    expressions = [
        target["expr"].replace("$job", "strongroom")
        for panel in json.loads(DASHBOARD.read_text())["panels"]
        for target in panel.get("targets", [])
    ]
    rules = [
        {"record": f"panel_{number}", "expr": expression}
        for number, expression in enumerate(expressions)
    ]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    tool("promtool", "check", "rules", str(file))
