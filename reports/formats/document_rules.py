"""What the parts of a packet's document must say of one another: never two things of one."""

from __future__ import annotations

from typing import Any, Final

from audit.formats import checkpoint as checkpoints
from audit.formats import event as events
from evidence.formats.fields import refuse
from reports.formats import sampling
from sealing import digests, notes
from sealing.errors import Invalid

_COUNTS: Final = {
    "compliant": "compliant",
    "attention": "attention",
    "not_compliant": "notCompliant",
    "not_applicable": "notApplicable",
    "not assessed": "notAssessed",
}


def check(document: dict[str, Any]) -> None:
    """Checks a document whose members have their forms.

    Raises:
        FormatRefused: two places contradict one another.
    """
    _period(document)
    _log(document)
    _facts(document)
    _controls(document)
    _samples(document)
    _artifacts(document)
    _annexes(document["annexes"])


def _period(document: dict[str, Any]) -> None:
    period = document["auditPeriod"]
    if period["startDate"] >= period["endDate"]:
        raise refuse("/auditPeriod/endDate", "the end lies after the start.")
    if document["supersedes"] is not None and document["revision"] == 1:
        raise refuse("/supersedes", "a first revision takes the place of none.")


def _log(document: dict[str, Any]) -> None:
    log = document["log"]
    try:
        signed = checkpoints.parse(notes.parse_note(log["checkpoint"].encode()).text)
    except Invalid as error:
        raise refuse("/log/checkpoint", "the checkpoint can't be read.") from error
    told = (log["origin"], log["treeSize"], log["rootHash"])
    if told != (signed.origin, signed.size, digests.b64(signed.root)):
        raise refuse("/log", "the checkpoint is of another log or size.")
    if document["samples"]["proof"]["tree_size"] != signed.size:
        raise refuse("/samples/proof/tree_size", "the proof is of another size.")
    seed = sampling.seed_of(document["packetId"], signed.root).hex()
    if document["sampling"]["seed"] != seed:
        raise refuse("/sampling/seed", "the seed follows from the packet's id and the root hash.")


def _facts(document: dict[str, Any]) -> None:
    for name, fact in document["facts"].items():
        has_data = fact["value"] != "no data"
        if has_data != (fact["source"] is not None):
            raise refuse(f"/facts/{name}/source", "what has a value has a source, and only that.")
        _source(fact["source"], f"/facts/{name}/source")
    for index, line in enumerate(document["executiveSummary"]["headline"]):
        if line["fact"] not in document["facts"]:
            raise refuse(f"/executiveSummary/headline/{index}/fact", "there is no such fact.")


def _source(source: dict[str, Any] | None, where: str) -> None:
    if source is None:
        return
    if source["kind"] == "events":
        first, last, count = source["firstSeq"], source["lastSeq"], source["count"]
        if count == 0:
            fits = first is None and last is None
        else:
            fits = first is not None and last is not None and last - first >= count - 1
        if not fits:
            raise refuse(where, "the numbers are not those of so many events.")
    elif len(source["objects"]) != min(source["count"], 50):
        raise refuse(f"{where}/objects", "there are not as many as are counted.")


def _controls(document: dict[str, Any]) -> None:
    counts = dict.fromkeys(_COUNTS.values(), 0)
    seen: set[str] = set()
    for index, control in enumerate(document["controls"]):
        where = f"/controls/{index}"
        if control["controlId"] in seen:
            raise refuse(f"{where}/controlId", "the control is there twice.")
        seen.add(control["controlId"])
        counts[_COUNTS[control["state"]]] += 1
        assessment = control["assessment"]
        if control["state"] != ("not assessed" if assessment is None else assessment["state"]):
            raise refuse(f"{where}/state", "the state is not that of the assessment.")
        for place, result in enumerate(control["testingResults"]):
            fact = document["facts"].get(result["fact"])
            told = {key: result[key] for key in ("label", "value", "unit", "source")}
            if fact is None or told != {key: fact[key] for key in told}:
                raise refuse(f"{where}/testingResults/{place}", "it differs from the fact.")
    told = document["executiveSummary"]["controls"]
    if told != counts | {"total": len(document["controls"])}:
        raise refuse("/executiveSummary/controls", "these are not the numbers of the controls.")
    if {found["controlId"] for found in document["sampling"]["populations"]} != seen:
        raise refuse("/sampling/populations", "each control has a population, and only those.")


def sample_of(line: bytes) -> dict[str, Any]:
    """What a control's evidence tells of a log line.

    Raises:
        Invalid: it is no log line, or its event can't be read.
    """
    found = events.parse_line(line, strict=True)
    event = events.parse(found.event_bytes)
    return {
        "kind": "event",
        "seq": found.seq,
        "type": event["type"],
        "occurredAt": event["occurred_at"],
        "actor": event["actor"]["id"],
        "outcome": event["outcome"],
        "leafHash": digests.tag(found.hash),
    }


def _samples(document: dict[str, Any]) -> None:
    found: dict[int, dict[str, Any]] = {}
    for index, text in enumerate(document["samples"]["lines"]):
        try:
            told = sample_of(text.encode("utf-8"))
        except Invalid as error:
            raise refuse(f"/samples/lines/{index}", "the log line can't be read.") from error
        if told["seq"] in found:
            raise refuse(f"/samples/lines/{index}", "the log line is there twice.")
        found[told["seq"]] = told
    if list(found) != document["samples"]["proof"]["indexes"]:
        raise refuse("/samples/proof/indexes", "the proof is of other lines.")
    used: set[int] = set()
    sizes = {item["controlId"]: item["events"] for item in document["sampling"]["populations"]}
    for index, control in enumerate(document["controls"]):
        where = f"/controls/{index}/sampleEvidence"
        drawn = [item for item in control["sampleEvidence"] if item["kind"] == "event"]
        if len(drawn) != min(sampling.PER_CONTROL, sizes[control["controlId"]]):
            raise refuse(where, "there are not as many as are to be sampled.")
        for item in drawn:
            if found.get(item["seq"]) != item:
                raise refuse(where, f"event {item['seq']} is not told as its line has it.")
            used.add(item["seq"])
    if used != found.keys():
        raise refuse("/samples/lines", "there are lines that no control samples.")


def _artifacts(document: dict[str, Any]) -> None:
    listed, told = document["artifacts"], document["artifactListing"]
    left_out = told["total"] - len(listed)
    if left_out < 0 or (left_out > 0) != told["isTruncated"]:
        raise refuse("/artifactListing/total", "the total is not that of the artefacts.")
    source = told["source"]
    if source is None or source["kind"] != "records" or source["count"] != told["total"]:
        raise refuse("/artifactListing/source", "it is not of so many artefacts.")
    _source(source, "/artifactListing/source")


def _annexes(annexes: list[dict[str, Any]]) -> None:
    for index, annex in enumerate(annexes):
        where, width = f"/annexes/{index}", len(annex["columns"])
        if any(len(row) != width for row in annex["rows"]):
            raise refuse(f"{where}/rows", "a row has as many cells as there are columns.")
        left_out = annex["total"] - len(annex["rows"])
        if left_out < 0 or (left_out > 0) != annex["isTruncated"]:
            raise refuse(f"{where}/total", "the total is not that of the rows.")
        _source(annex["source"], f"{where}/source")
