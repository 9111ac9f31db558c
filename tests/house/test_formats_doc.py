"""The examples of docs/formats.md are true: what it prints is what the code makes and accepts."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from audit.formats import checkpoint
from audit.formats.event import genesis_hash, parse_line
from audit.formats.log import LogVerifier
from sealing.digests import untag
from sealing.keys import Signers, TrustedKey, key_id
from sealing.merkle import root_from_compact

DOC = (Path(__file__).resolve().parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
ORIGIN = "strongroom.example.org/audit"


def block(pattern: str) -> str:
    match = re.search(pattern, DOC, re.DOTALL)
    assert match is not None
    return match.group(1)


LINES = [line.encode() for line in block(r"```jsonl\n(.*?)```").splitlines()]
NOTE = block(r"### Example: the checkpoint.*?```\n(.*?)```").encode()
PEM = block(r"(-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----\n)")


def test_the_genesis_hash_is_that_of_the_origin() -> None:
    assert f"genesis hash `{genesis_hash(ORIGIN).hex()}`" in DOC


def test_the_lines_verify_strictly_up_to_the_checkpoint() -> None:
    verifier = LogVerifier(ORIGIN, strict=True)
    assert verifier.feed(LINES), verifier.fault
    key = TrustedKey(
        signer_kid=key_id(PEM),
        name="Example",
        person=None,
        purposes=("checkpoint",),
        algorithm="ed25519",
        public_key_pem=PEM,
        status="active",
        not_before="2026-01-01T00:00:00.000000Z",
        not_after=None,
        compromised_at=None,
    )
    opened, findings = checkpoint.open_note(NOTE, Signers(ORIGIN, (key,)))
    assert [finding.ok for finding in findings] == [True]
    assert opened is not None
    assert (opened.size, opened.head) == (3, verifier.head)
    assert opened.root == verifier.frontier.root()


def test_the_shell_recipe_gives_the_lines_own_hash() -> None:
    leaf = LINES[1].rsplit(b',"hash":', 1)[0]
    assert hashlib.sha256(b"\x00" + leaf).digest() == parse_line(LINES[1]).hash


def test_the_compact_proof_leads_to_the_checkpoints_root() -> None:
    proof = json.loads(block(r"### Example: the compact proof.*?```json\n(.*?)\n```"))
    leaf = parse_line(LINES[1]).hash
    hashes = [untag(item) for item in proof["hashes"]]
    root = root_from_compact(proof["tree_size"], {proof["indexes"][0]: leaf}, hashes)
    text, _, _ = NOTE.decode().partition("\n\n")
    assert checkpoint.parse(text + "\n").root == root
