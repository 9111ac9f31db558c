"""``README.txt``: how a stranger verifies the package with tools that everybody has."""

from __future__ import annotations

from evidence.formats.manifest import Manifest

_TEXT = """\
Evidence package {bundle_id}
{rule}

Client:  {client}
Period:  from {start} up to, not including, {end}
Events:  {events}, out of a log of {tree_size}

This file says how to check the package with openssl, sha256sum and standard shell tools, and
nothing made by whoever gave it to you. Get the public key of the service from somebody you
trust, not from the folder in which you found the package; a running installation answers it at
/api/compliance/public-key.

1. The signature over the whole file

{signature}
2. The files inside

   Each file is listed with its SHA-256 digest in manifest.json:

     mkdir inside && cd inside && unzip -q ../{bundle_id}.zip
     sha256sum *                      # compare with "sha256" in manifest.json

3. The log lines

   Each line of audit_events.jsonl ends with its own hash. It is SHA-256 over a zero byte and
   the line up to, not including, the characters  ,"hash":"

     while IFS= read -r line; do
       want="${{line##*,\\"hash\\":\\"sha256:}}"; want="${{want%\\"\\}}}}"
       have="$({{ printf '\\0'; printf %s "${{line%,\\"hash\\":*}}"; }} | sha256sum | cut -c1-64)"
       [ "$want" = "$have" ] || echo "differs: $line"
     done < audit_events.jsonl

   Where two lines have adjacent numbers ("seq"), "prev_hash" of the later one is "hash" of the
   earlier one. The file checkpoint is a signed statement of the root hash of the whole log (a
   Merkle tree as in RFC 6962), and proofs.json leads from the lines to that root.

4. Who countersigned

   {bundle_id}.signature.json and {bundle_id}.countersign.json hold signed statements
   (DSSE envelopes around in-toto statements). "payload" is base64:

     base64 -d            # of a payload, shows what was signed, by whom and when

   This package needs {signatures} signature(s) of the service and {countersignatures}
   countersignature(s), each by a person other than the one who made it.

What this proves, and what it does not: the lines are unchanged parts of the log that the
checkpoint names. It does not prove that no other line belongs to the period; completeness.json
says what was known about that, and the full log can settle it.
"""

_SIGNED = """\
     base64 -d {bundle_id}.zip.sig > sig.bin
     openssl dgst -sha256 -verify public_key.pem -signature sig.bin {bundle_id}.zip

   openssl answers "Verified OK". For the digest alone: sha256sum {bundle_id}.zip
"""
_UNSIGNED = """\
     This package was made without a signature. Nothing outside it vouches for it: you can
     check that it is coherent, and no more.
"""


def build(manifest: Manifest) -> bytes:
    """The bytes of the member; they follow from the manifest alone."""
    heading = f"Evidence package {manifest.bundle_id}"
    text = _TEXT.format(
        rule="=" * len(heading),
        bundle_id=manifest.bundle_id,
        client=manifest.client_id or "none: events of the installation itself",
        start=manifest.period_start,
        end=manifest.period_end,
        events=manifest.summary.events,
        tree_size=manifest.summary.tree_size,
        signatures=manifest.signatures,
        countersignatures=manifest.countersignatures,
        signature=(_SIGNED if manifest.signatures else _UNSIGNED).format(
            bundle_id=manifest.bundle_id
        ),
    )
    return text.encode()
