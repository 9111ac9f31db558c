"""Every number of a packet, counted again by the queries that auditors are given."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest

from reports.facts import registry
from reports.formats import document
from reports.services import building
from tests.databases import CommittedDatabase
from tests.factories import World
from tests.services.reports.figures import NO_DATA, PAGE, Page, run
from tests.services.reports.history import END, START, History
from tests.services.reports.plans import Unwatched, plan

MIDDLE = datetime(2024, 2, 20, 11, tzinfo=UTC)
CASES = (
    (1, None, None), (1, "clinic-001", None), (2, "clinic-002", None), (2, None, MIDDLE),
    (3, "clinic-001", MIDDLE),
)  # fmt: skip
IDS = [f"{seed}-{client or 'platform'}-{'open' if at else 'over'}" for seed, client, at in CASES]


def moment(at: datetime) -> str:
    """As the packet writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Made:
    """A packet's document over a drawn past, and the variables of the page."""

    def __init__(
        self, database: CommittedDatabase, seed: int, client: str | None, at: datetime | None
    ) -> None:
        with pytest.MonkeyPatch.context() as patch:
            History(seed, database).write(patch)
        packet = plan(client, START, END, at=at)
        self.document = building.document_of(packet, watch=Unwatched())
        jobs = [job["name"] for job in self.document["completeness"]["observed"]["jobs"]]
        self.given: dict[str, Any] = {
            "client": client or "",
            "start": moment(START),
            "end": moment(END),
            "until": moment(min(END, packet.generated_at)),
            "generated": moment(packet.generated_at),
            "size": packet.tree_size,
            "jobs": "{" + ",".join(f'"{name}"' for name in jobs) + "}",
        }
        self.page = Page()
        self.page.prepare(self.given)


@pytest.fixture(params=CASES, ids=IDS)
def made(
    request: pytest.FixtureRequest, committed_db: CommittedDatabase, committed_world: World
) -> Made:
    """One of the drawn pasts."""
    return Made(committed_db, *request.param)


def test_every_number_is_what_the_page_counts(made: Made) -> None:
    facts = made.document["facts"]
    told = {name: fact["value"] for name, fact in facts.items()}
    assert told == {name: made.page.value(name, made.given) for name in facts}
    # Enough happened for that to mean something.
    assert sum(1 for value in told.values() if value not in (0, NO_DATA)) > 40
    assert document.parse(document.build(made.document)) == made.document
    _sources(made)
    _charts(made)
    _annexes(made)
    _samples(made)


def _sources(made: Made) -> None:
    """A source counts what the figure counts, and is absent exactly where there is no data."""
    for name, fact in made.document["facts"].items():
        assert (fact["source"] is None) == (fact["value"] == NO_DATA), name
        if fact["source"] is None:
            continue
        assert fact["source"]["query"] == name
        is_count = fact["unit"] != "%" and name not in ("log.gaps", "runs.missed")
        if is_count:
            assert fact["source"]["count"] == fact["value"], name
        if fact["source"]["kind"] == "records" and fact["source"]["count"] <= 50:
            ids = "\n".join(sorted(fact["source"]["objects"])).encode()
            assert fact["source"]["objectsSha256"] == f"sha256:{sha256(ids).hexdigest()}"


def _charts(made: Made) -> None:
    week = "SELECT count(*) FROM packet_event WHERE occurred_at >= :'from' AND occurred_at < :'to'"
    week += " AND (:'client' = '' OR client_id = :'client')"
    conditions = {
        "events": "",
        "denied": " AND outcome = 'denied' AND recorder = 'strongroom'",
        "sign_ins_failed": " AND type = 'access.login.failed' AND recorder = 'strongroom'",
    }
    runs = "SELECT count(*) FROM ops_run WHERE finished_at >= :'from' AND finished_at < :'to'"
    runs += " AND finished_at < :'until' AND (:'client' = '' OR client_id = :'client')"
    queries = {name: week + condition for name, condition in conditions.items()} | {
        "runs_failed": runs + " AND status = 'FAILED'",
        "runs_succeeded": runs + " AND status = 'SUCCESS'",
    }
    charts = {chart["id"]: chart for chart in made.document["executiveSummary"]["charts"]}
    expected = queries.keys() | {"approvals"}
    assert charts.keys() == (expected - {"sign_ins_failed"} if made.given["client"] else expected)
    for name in charts.keys() - {"approvals"}:
        for place, bar in enumerate(charts[name]["series"]):
            first = START + timedelta(days=7 * place)
            assert bar["label"] == first.strftime("%Y-%m-%d")
            last = min(END, first + timedelta(days=7))
            given = made.given | {"from": moment(first), "to": moment(last)}
            assert bar["value"] == next(run(queries[name], given))[0], (name, bar)
    facts = made.document["facts"]
    outcomes = {bar["label"]: bar["value"] for bar in charts["approvals"]["series"]}
    assert outcomes["approved"] == facts["approvals.approved"]["value"]
    assert outcomes["void"] == facts["approvals.voided"]["value"]


def _annexes(made: Made) -> None:
    mine = "(:'client' = '' OR client_id = :'client')"
    within = f"occurred_at >= :'start' AND occurred_at < :'end' AND {mine}"
    own = f"SELECT count(*) FROM packet_event WHERE recorder = 'strongroom' AND {within}"
    queries = {
        "accounts": "SELECT count(*) FROM packet_account"
        " WHERE :'client' = '' OR grants_in_period > 0",
        "grants_changed": f"{own} AND type LIKE 'access.grant.%'",
        "denied_and_failed": f"{own} AND outcome <> 'success'",
        "failed_runs": "SELECT count(*) FROM ops_run WHERE status = 'FAILED'"
        f" AND finished_at >= :'start' AND finished_at < :'until' AND {mine}",
        "approvals": "SELECT count(*) FROM ops_approval"
        f" WHERE created_at >= :'start' AND created_at < :'until' AND {mine}",
    }
    assert [annex["id"] for annex in made.document["annexes"]] == list(queries)
    for annex in made.document["annexes"]:
        assert annex["total"] == next(run(queries[annex["id"]], made.given))[0], annex["id"]
        assert annex["total"] == len(annex["rows"]) == annex["source"]["count"]


def _samples(made: Made) -> None:
    """Drawn again by whoever has only the page's rows of the figures, the log and SHA-256."""
    packet = made.document
    said = f"strongroom/sample/v1\n{packet['packetId']}\n{packet['log']['rootHash']}"
    seed = sha256(said.encode()).digest()
    assert packet["sampling"]["seed"] == seed.hex()
    sizes = {item["controlId"]: item["events"] for item in packet["sampling"]["populations"]}
    for control in packet["controls"]:
        rows = [made.page.events.get(result["fact"]) for result in control["testingResults"]]
        numbers = {seq for row in rows if row for seq in _numbers(row, made)}
        ranked = sorted(numbers, key=lambda seq: sha256(seed + seq.to_bytes(8, "big")).digest())
        drawn = [item for item in control["sampleEvidence"] if item["kind"] == "event"]
        assert [item["seq"] for item in drawn] == sorted(ranked[:25]), control["controlId"]
        assert sizes[control["controlId"]] == len(numbers)
    lines = [json.loads(line) for line in packet["samples"]["lines"]]
    assert [line["seq"] for line in lines] == packet["samples"]["proof"]["indexes"]
    if made.given["client"]:
        assert {line["event"]["client_id"] for line in lines} == {made.given["client"]}


def _numbers(row: dict[str, str], made: Made) -> set[int]:
    if row["client"] == NO_DATA and made.given["client"]:
        return set()
    conditions = ["occurred_at >= :'start'", "occurred_at < :'end'"]
    conditions.append("(:'client' = '' OR client_id = :'client')")
    for column, cell in (("type", row["types"]), ("outcome", row["outcomes"])):
        if "`" in cell:
            listed = cell.partition(";")[0].replace("`", "'")
            conditions.append(f"{column} IN ({listed})")
    if row["recorder"] != "every":
        conditions.append("recorder = 'strongroom'")
    if "late" in row["outcomes"]:
        conditions.append("sealed_at > occurred_at + interval '1 day'")
    sql = f"SELECT seq FROM packet_event WHERE {' AND '.join(conditions)}"
    return {seq for (seq,) in run(sql, made.given)}


def test_what_the_log_lacks_is_counted(
    committed_db: CommittedDatabase, committed_world: World
) -> None:
    history = History(4, committed_db)
    with pytest.MonkeyPatch.context() as patch:
        history.write(patch)
    history.as_owner("DELETE FROM audit_events WHERE seq IN (3, 17)")
    made = building.document_of(plan(None, START, END), watch=Unwatched())
    assert made["facts"]["log.gaps"]["value"] == made["completeness"]["gaps"] == 2


def test_the_page_defines_every_figure() -> None:
    page = Page()
    lacking = [fact.name for fact in registry.all_facts() if not page.knows(fact.name)]
    assert not lacking, f"{PAGE.name} does not define {lacking}"
    known = {fact.name for fact in registry.all_facts()} | {"artifacts.CONTROL"}
    assert not (page.events.keys() | page.others.keys()) - known


def test_what_is_not_stored_has_no_query() -> None:
    page = Page()
    told = {name for name, sql in page.others.items() if sql is None}
    assert told == {fact.name for fact in registry.all_facts() if str(fact.reach) == "not stored"}
