"""awscli's `cloudtrail validate-logs` over objects that this program puts into a bucket.

`python -m benchmarks.verify_cloudtrail ADDRESS|memory OBJECTS EVENTS`, in an environment that has
awscli and nothing of ours. For each line on its standard input it validates everything once, and
writes the seconds that it took.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import hashlib
import importlib
import io
import json
import sys
import time
import types
from datetime import UTC, datetime, timedelta
from typing import Any

ACCOUNT, REGION, TRAIL, BUCKET = "123456789012", "us-east-1", "trail", "cloudtrail-bench"
DIGESTS = 2
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def main() -> int:
    """Puts the objects, then validates as often as it is asked to."""
    import rsa

    address, objects, events = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    client = Memory() if address == "memory" else client_of(address)
    public, private = rsa.newkeys(2048)
    der = public.save_pkcs1("DER")
    put(client, private, hashlib.md5(der).hexdigest(), objects, events)
    for _ in sys.stdin:
        start = time.perf_counter()
        validate(client, der, objects)
        print(json.dumps(time.perf_counter() - start), flush=True)
    return 0


class Memory:
    """As much of a client as is needed, with objects in a dictionary."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, dict[str, str]]] = {}

    def create_bucket(self, **_: Any) -> None:
        """There is but one."""

    def put_object(self, **given: Any) -> None:
        """Keeps an object."""
        self._objects[given["Key"]] = (given["Body"], given.get("Metadata", {}))

    def get_object(self, **given: Any) -> dict[str, Any]:
        """Hands an object out."""
        body, metadata = self._objects[given["Key"]]
        return {"Body": io.BytesIO(body), "Metadata": metadata}

    def get_paginator(self, _: str) -> Any:
        """Lists the digest files."""
        keys = sorted(key for key in self._objects if "CloudTrail-Digest" in key)
        page = types.SimpleNamespace(search=lambda _: iter(keys))
        return types.SimpleNamespace(paginate=lambda **_: page)


def client_of(address: str) -> Any:
    """A client of the server at that address."""
    botocore = bundled()
    config = botocore.config.Config(s3={"addressing_style": "path"})
    session = botocore.session.get_session()
    return session.create_client("s3", REGION, endpoint_url=address, config=config)


def bundled() -> Any:
    """awscli's botocore: later versions carry one of their own."""
    for name in ("awscli.botocore", "botocore"):
        try:
            for part in ("session", "config"):
                importlib.import_module(f"{name}.{part}")
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    raise SystemExit("awscli is not installed")


def put(client: Any, private: Any, fingerprint: str, objects: int, events: int) -> None:
    """Puts log files, and digest files that name and sign them, as CloudTrail does."""
    import rsa

    from benchmarks.events import data_of

    client.create_bucket(Bucket=BUCKET)
    signature: str | None = None
    previous: str | None = None
    for number in range(DIGESTS):
        files = []
        for at in range(number * objects // DIGESTS, (number + 1) * objects // DIGESTS):
            records = [record(at * events + n, data_of(at * events + n)) for n in range(events)]
            raw = json.dumps({"Records": records}, separators=(",", ":")).encode()
            key = f"AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/{at:06d}.json.gz"
            client.put_object(Bucket=BUCKET, Key=key, Body=gzip.compress(raw, 6, mtime=0))
            digest = hashlib.sha256(raw).hexdigest()
            files.append({"s3Bucket": BUCKET, "s3Object": key, "hashValue": digest,
                          "hashAlgorithm": "SHA-256"})  # fmt: skip
        end = BEGIN + timedelta(hours=number + 1)
        key = digest_key(end)
        body = {
            "awsAccountId": ACCOUNT,
            "digestStartTime": f"{end - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}",
            "digestEndTime": f"{end:%Y-%m-%dT%H:%M:%SZ}",
            "digestS3Bucket": BUCKET,
            "digestS3Object": key,
            "digestPublicKeyFingerprint": fingerprint,
            "digestSignatureAlgorithm": "SHA256withRSA",
            "previousDigestS3Bucket": BUCKET if previous else None,
            "previousDigestS3Object": previous,
            "previousDigestSignature": signature,
            "logFiles": files,
        }
        raw = json.dumps(body).encode()
        text = f"{body['digestEndTime']}\n{BUCKET}/{key}\n{hashlib.sha256(raw).hexdigest()}\n"
        signed = rsa.sign((text + (signature or "null")).encode(), private, "SHA-256")
        signature, previous = binascii.hexlify(signed).decode(), key
        about = {"signature": signature, "signature-algorithm": "SHA256withRSA"}
        client.put_object(Bucket=BUCKET, Key=key, Body=gzip.compress(raw), Metadata=about)


def record(number: int, data: dict[str, object]) -> dict[str, object]:
    """An event of as many bytes as a line of ours, links and hashes included."""
    return {
        "eventID": f"00000000-0000-4000-8000-{number:012x}",
        "eventTime": "2026-01-01T00:00:00Z",
        "eventName": "Measured",
        "userIdentity": {"arn": f"arn:aws:iam::{ACCOUNT}:user/operator-{number % 2000}"},
        "requestParameters": data,
        "digest": hashlib.sha256(b"%d" % number).hexdigest(),
        "requestID": hashlib.sha256(b"request %d" % number).hexdigest(),
    }


def digest_key(end: datetime) -> str:
    """Where CloudTrail puts the digest file of an hour."""
    name = f"{ACCOUNT}_CloudTrail-Digest_{REGION}_{TRAIL}_{REGION}_{end:%Y%m%dT%H%M%SZ}.json.gz"
    return f"AWSLogs/{ACCOUNT}/CloudTrail-Digest/{REGION}/{end:%Y/%m/%d}/{name}"


def validate(client: Any, der: bytes, objects: int) -> None:
    """Runs awscli's own traversal and its own check of every log file."""
    from awscli.customizations.cloudtrail import validation

    command = validation.CloudTrailValidateLogs.__new__(validation.CloudTrailValidateLogs)
    command.is_verbose = False
    command._is_last_status_double_space = True
    command._valid_logs = command._invalid_logs = 0
    command._valid_digests = command._invalid_digests = 0
    provider = types.SimpleNamespace(get_client=lambda bucket: client)
    command.s3_client_provider = provider
    fingerprint = hashlib.md5(der).hexdigest()
    key = {"Fingerprint": fingerprint, "Value": base64.b64encode(der)}
    trail = types.SimpleNamespace(list_public_keys=lambda **_: {"PublicKeyList": [key]})
    traverser = validation.create_digest_traverser(
        trail,
        None,
        provider,
        f"arn:aws:cloudtrail:{REGION}:{ACCOUNT}:trail/{TRAIL}",
        REGION,
        bucket=BUCKET,
    )
    for digest in traverser.traverse_digests(BEGIN, BEGIN + timedelta(hours=DIGESTS)):
        for file in digest["logFiles"]:
            command._download_log(file)
    if command._valid_logs != objects or command._invalid_logs:
        raise SystemExit("awscli does not find its own objects valid")


if __name__ == "__main__":
    raise SystemExit(main())
