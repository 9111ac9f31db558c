"""The verdict on a packet: what is given of it, by whom it is signed, and what is missing."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from reports.formats import document
from reports.formats.packet_report import PacketReport
from reports.formats.verification import PacketFilesGiven, verify_packet
from sealing import canonical, digests
from sealing.keys import Signers
from sealing.results import Verdict
from sealing.times import format_time
from tests.unit.evidence.making import CLIENT, MAKER, OFFICER
from tests.unit.reports import making
from tests.unit.reports.making import MADE, SIGNED, trusted

NOTHING: dict[str, bytes | None] = dict.fromkeys(
    ("json", "json_sig", "pdf", "pdf_sig", "countersigned", "countersigned_sig")
)
FIRST_ONLY = {"countersigned": None, "countersigned_sig": None}
NO_JSON = {"json": None, "json_sig": None}
NO_PDF = {"pdf": None, "pdf_sig": None, **FIRST_ONLY}


def verify(files: PacketFilesGiven, signers: Signers | None = None, **options: Any) -> PacketReport:
    return verify_packet(files, signers or making.signers(), **options)


def codes(report: PacketReport) -> set[str]:
    return {issue.code for issue in report.issues}


def refused(files: PacketFilesGiven, code: str, *others: Any, **options: Any) -> PacketReport:
    """The report on files with this fault."""
    report = verify(files, making.signers(*others), **options)
    assert report.verdict is Verdict.INVALID
    assert code in codes(report), report.issues
    return report


# --- what is given --------------------------------------------------------------------------------


def test_all_six_files() -> None:
    report = verify(making.make().files, now=SIGNED)
    assert report.verdict is Verdict.VALID, report.issues
    assert report.countersigner is not None
    assert report.countersigner.person == OFFICER
    assert report.countersigner.meaning == "reviewed and approved"
    assert report.head is not None and report.head.maker == MAKER
    told = report.as_dict()
    for part in ("signature", "document", "proofs", "pdf", "countersign"):
        assert told[f"{part}_checked"] and told[f"{part}_valid"], part
    assert not told["timestamp_checked"]
    assert any("Timestamps" in sentence for sentence in report.not_checked)


def test_nothing_is_not_success() -> None:
    report = verify(PacketFilesGiven())
    assert report.verdict is Verdict.INCONCLUSIVE
    assert not report.awaits_countersignature
    assert "No file" in report.message


def test_a_pdf_alone_with_both_signatures_is_valid_as_a_pdf() -> None:
    report = verify(PacketFilesGiven(pdf=making.make().countersigned))
    assert report.verdict is Verdict.VALID
    assert {note.code for note in report.notes} == {"json_not_given", "sig_not_given"}
    assert any("JSON packet" in sentence for sentence in report.not_checked)


def test_before_the_countersignature_it_can_not_be_relied_upon_yet() -> None:
    report = refused(making.make().with_(**FIRST_ONLY), "countersignature_missing")
    assert report.awaits_countersignature and not report.faults
    assert "yet" in report.message
    alone = verify(PacketFilesGiven(pdf=making.make().pdf))
    assert codes(alone) == {"countersignature_missing"}


def test_without_the_pdf_nobody_can_say_who_countersigned() -> None:
    report = verify(making.make().with_(**NO_PDF))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert codes(report) == {"countersignature_not_checked"}


def test_a_packet_whose_policy_asks_for_none() -> None:
    made = making.made_of(making.content(signaturePolicy={"signatures": 1, "countersignatures": 0}))
    files = made.with_(**FIRST_ONLY)
    assert verify(files).verdict is Verdict.VALID
    assert verify(made.with_(**NO_PDF)).verdict is Verdict.VALID
    refused(files, "countersignature_missing", require_countersign=True)


@pytest.mark.parametrize("name", ["json", "pdf", "countersigned"])
def test_a_sig_file_without_its_file(name: str) -> None:
    files = PacketFilesGiven(**{f"{name}_sig": making.sig(b"x")})
    report = verify(files)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert codes(report) == {"file_missing"}


def test_a_json_packet_without_its_sig_file() -> None:
    report = refused(making.make().with_(json_sig=None), "signature_missing")
    assert report.head is None  # nobody vouches for it, so it is not looked into


@pytest.mark.parametrize("name", ["json_sig", "pdf_sig", "countersigned_sig"])
@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "signature_malformed"),
        (b"AAAA\n\n", "signature_malformed"),
        (making.sig(b"another file"), "signature_invalid"),
    ],
    ids=["empty", "two lines", "another file's"],
)
def test_a_sig_file_that_does_not_hold(name: str, raw: bytes, code: str) -> None:
    refused(making.make().with_(**{name: raw}), code)


def test_files_of_two_packets() -> None:
    other = making.made_of(making.content(generator="strongroom/1"))
    refused(
        making.make().with_(json=other.json, json_sig=making.sig(other.json)), "pdf_json_differs"
    )
    refused(making.make().with_(pdf=other.pdf, pdf_sig=None), "pdf_revisions_differ")


def test_the_wrong_one_of_the_two_pdfs() -> None:
    made = making.make()
    refused(made.with_(countersigned=made.pdf, countersigned_sig=None), "pdf_revisions_differ")


# --- who signed -----------------------------------------------------------------------------------


def test_an_unknown_key() -> None:
    made = making.make()
    signers = Signers(made_origin(), (trusted("officer", "countersign", person=OFFICER),))
    report = verify(made.files, signers)
    assert {"signature_invalid", "key_unknown"} <= codes(report)
    assert report.verdict is Verdict.INVALID


def made_origin() -> str:
    return making.signers().origin


@pytest.mark.parametrize("purposes", [("package",), ("countersign",)])
def test_the_installations_key_has_another_purpose(purposes: tuple[str, ...]) -> None:
    report = refused(making.make().files, "key_purpose", trusted("service", *purposes))
    assert report.head is None


def test_the_officers_key_has_another_purpose() -> None:
    refused(making.make().files, "key_purpose", trusted("officer", "packet", person=OFFICER))


def test_a_foreign_key_under_our_name() -> None:
    made = making.make()
    pdf = making.first(making.plain_pdf(digests.sha256_tag(made.json)), "service-foreign")
    report = verify(made.with_(pdf=pdf, pdf_sig=None, **FIRST_ONLY))
    assert "key_unknown" in codes(report)
    # Of a stranger's file nothing else is looked at.
    assert "pdf_unchanged" not in {finding.code for finding in report.findings}


def test_a_foreign_certificate_in_the_officers_name() -> None:
    made = making.make()
    forged = making.second(
        made.pdf, "stranger", certificates=making.chain("stranger", said="officer")
    )
    refused(made.with_(countersigned=forged, countersigned_sig=None), "key_unknown")


def test_another_certificate_of_a_trusted_key_changes_nothing() -> None:
    """Trust comes from the signers file: what a certificate says of its holder proves nothing."""
    made = making.make()
    signed = making.second(made.pdf, certificates=making.chain("officer", issuer="service-foreign"))
    report = verify(made.with_(countersigned=signed, countersigned_sig=making.sig(signed)))
    assert report.verdict is Verdict.VALID
    assert report.countersigner is not None and report.countersigner.signer == "officer"


def test_the_fields_are_swapped() -> None:
    made = making.make()
    pdf = making.first(making.plain_pdf(digests.sha256_tag(made.json)), "officer",
                       certificates=making.chain("officer"))  # fmt: skip
    both = making.second(pdf, "service")
    refused(PacketFilesGiven(pdf=both), "key_purpose")


def test_one_key_in_both_fields() -> None:
    made = making.make()
    both = making.second(made.pdf, "service")
    refused(PacketFilesGiven(pdf=both), "key_purpose")
    anything = trusted("service", "packet", "countersign", person=OFFICER)
    refused(PacketFilesGiven(pdf=both), "countersignature_person_differs", anything)


def test_the_maker_countersigned() -> None:
    made = making.make()
    both = making.second(made.pdf, "maker")
    files = made.with_(countersigned=both, countersigned_sig=None)
    refused(files, "countersigner_is_maker")
    # The PDF says too who the maker is.
    refused(PacketFilesGiven(pdf=both), "countersigner_is_maker")


def test_a_pdf_that_does_not_say_who_the_maker_is() -> None:
    made = making.make()
    plain = making.plain_pdf(digests.sha256_tag(made.json), keywords="")
    both = making.second(making.first(plain), "maker")
    alone = verify(PacketFilesGiven(pdf=both))
    assert (alone.verdict, codes(alone)) == (Verdict.INCONCLUSIVE, {"maker_unknown"})
    with_json = PacketFilesGiven(json=made.json, json_sig=made.files.json_sig, pdf=both)
    refused(with_json, "countersigner_is_maker")


def test_a_pdf_that_names_another_maker_than_its_json_packet() -> None:
    made = making.make()
    plain = making.plain_pdf(digests.sha256_tag(made.json), keywords="maker none")
    both = making.second(making.first(plain))
    files = PacketFilesGiven(json=made.json, json_sig=made.files.json_sig, pdf=both)
    refused(files, "pdf_json_differs")
    assert verify(PacketFilesGiven(pdf=both)).verdict is Verdict.VALID


def test_two_ids_of_one_human() -> None:
    refused(making.make().files, "countersigner_is_maker", human=lambda person: "the same")


def test_a_packet_that_nobody_asked_for_may_be_countersigned_by_anybody() -> None:
    made = making.made_of(making.content(maker=None))
    assert verify(made.files).verdict is Verdict.VALID


# --- when -----------------------------------------------------------------------------------------


def compromised(name: str, purpose: str, **by: float) -> Any:
    person = None if purpose == "packet" else OFFICER
    return trusted(
        name,
        purpose,
        person=person,
        status="compromised",
        not_after=format_time(SIGNED + timedelta(days=30)),
        compromised_at=format_time(MADE + timedelta(**by)),
    )


def test_what_a_retired_key_signed_still_counts() -> None:
    retired = trusted(
        "service", "packet", status="retired", not_after=format_time(SIGNED + timedelta(hours=1))
    )
    assert verify(making.make().files, making.signers(retired)).verdict is Verdict.VALID


def test_signed_after_the_key_was_retired() -> None:
    ended = format_time(MADE - timedelta(seconds=1))
    retired = trusted("service", "packet", status="retired", not_after=ended)
    refused(making.make().files, "key_retired", retired)
    gone = trusted("officer", "countersign", person=OFFICER, status="retired", not_after=ended)
    refused(making.make().files, "key_retired", gone)


def test_a_key_that_came_into_use_within_the_second() -> None:
    """A PDF states whole seconds: the key may have been made earlier in the same one."""
    new = trusted("service", "packet", not_before=format_time(MADE))
    assert verify(making.make().files, making.signers(new)).verdict is Verdict.VALID
    later = trusted("service", "packet", not_before=format_time(MADE + timedelta(seconds=1)))
    refused(making.make().files, "key_not_yet_valid", later)


@pytest.mark.parametrize(("name", "purpose"), [("service", "packet"), ("officer", "countersign")])
def test_a_compromised_key_counts_only_where_somebody_saw_it_before(
    name: str, purpose: str
) -> None:
    made = making.make()
    entry = compromised(name, purpose, days=20)
    report = refused(made.files, "key_compromised", entry)
    assert not report.awaits_countersignature
    seen = dict.fromkeys(map(digests.sha256_tag, (made.json, made.pdf, made.countersigned)), SIGNED)
    assert verify(made.files, making.signers(entry), anchors=seen).verdict is Verdict.VALID
    late = dict.fromkeys(seen, SIGNED + timedelta(days=40))
    refused(made.files, "key_compromised", entry, anchors=late)


def test_the_age_of_the_first_signature_is_not_that_of_the_second_sig_file() -> None:
    """Who stole the service's key can write a .sig file beside what was countersigned since."""
    made = making.make()
    seen = dict.fromkeys(map(digests.sha256_tag, (made.json, made.pdf)), SIGNED)
    entry = compromised("service", "packet", days=20)
    report = refused(made.files, "key_compromised", entry, anchors=seen)
    assert {issue.where for issue in report.issues} == {"countersigned.sig"}
    without = made.with_(countersigned_sig=None)
    assert verify(without, making.signers(entry), anchors=seen).verdict is Verdict.VALID


def test_signatures_of_the_future() -> None:
    refused(making.make().files, "signed_in_future", now=MADE - timedelta(hours=1))


def test_a_countersignature_older_than_what_it_is_about() -> None:
    made = making.make()
    early = making.second(made.pdf, at=MADE - timedelta(hours=1))
    refused(PacketFilesGiven(pdf=early), "countersignature_order")


# --- the JSON packet ------------------------------------------------------------------------------


def resigned(change: Any) -> PacketFilesGiven:
    """The JSON packet with something changed, signed as if the service had meant it."""
    said = json.loads(making.make().json)
    change(said)
    raw = canonical.document(said)
    return PacketFilesGiven(json=raw, json_sig=making.sig(raw))


def _line(said: Any, old: str, new: str) -> None:
    said["samples"]["lines"][0] = said["samples"]["lines"][0].replace(old, new)


def test_a_sampled_line_was_changed() -> None:
    refused(resigned(lambda said: _line(said, '"door":0', '"door":9')), "line_hash_differs")


def test_what_the_sample_says_differs_from_its_line() -> None:
    def change(said: Any) -> None:
        said["controls"][0]["sampleEvidence"][0]["actor"] = "user:mallory"

    refused(resigned(change), document.DocumentRefused.code)


def test_a_sample_of_another_client() -> None:
    def change(said: Any) -> None:
        said["client"]["id"] = "clinic-009"

    assert CLIENT != "clinic-009"
    refused(resigned(change), "line_of_other_client")


def test_a_sample_outside_the_period() -> None:
    def change(said: Any) -> None:
        said["auditPeriod"]["startDate"] = "2026-01-02T00:00:00.000000Z"

    refused(resigned(change), "line_outside_period")


def test_a_proof_that_does_not_lead_to_the_root() -> None:
    def change(said: Any) -> None:
        said["samples"]["proof"]["hashes"][0] = "sha256:" + "0" * 64

    refused(resigned(change), "proof_invalid")


def test_a_checkpoint_that_a_stranger_signed() -> None:
    made = making.make()
    others = tuple(key for key in making.signers().keys if "checkpoint" not in key.purposes)
    report = verify(made.files, Signers(made_origin(), others))
    assert "checkpoint_signature" in codes(report)


def test_the_log_of_another_installation() -> None:
    signers = Signers("elsewhere.example/audit", making.signers().keys)
    assert "checkpoint_origin" in codes(verify(making.make().files, signers))


def test_the_packet_names_another_key() -> None:
    def change(said: Any) -> None:
        said["verification"]["signingKeyId"] = making.key("officer").key_id

    refused(resigned(change), "signature_field_differs")


@pytest.mark.parametrize(
    "raw",
    [b"", b"{}\n", b'{"schema":"strongroom/soc2-packet/v1"}\n', b"\xff\n"],
    ids=["empty", "no members", "too few", "no text"],
)
def test_signed_and_yet_not_a_packet(raw: bytes) -> None:
    report = refused(
        PacketFilesGiven(json=raw, json_sig=making.sig(raw)), document.DocumentRefused.code
    )
    assert report.head is None
