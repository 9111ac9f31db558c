"""The preflight before a server that knows who may do what, under the documented policy."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from audit.services import preflight
from sealing.results import Verdict
from tests.servers.buckets import Bucket
from tests.servers.moto import use_credentials
from tests.servers.rados import RadosServer

pytestmark = pytest.mark.real

_DOCUMENT = Path(__file__).parents[2] / "docs" / "operators" / "s3.md"
HARM = {
    "s3:DeleteObjectVersion": "delete_versions",
    "s3:BypassGovernanceRetention": "bypass_governance",
    "s3:PutBucketVersioning": "set_versioning",
    "s3:PutBucketObjectLockConfiguration": "set_object_lock",
    "s3:DeleteObject": "hide_objects",
}
# The gateway grants whoever put an object the rest by its ACL; AWS does not.
NEEDED = {
    "s3:PutObject": "put",
    "s3:ListBucket": "bucket",
    "s3:ListBucketVersions": "put",
    "s3:GetBucketVersioning": "protection",
    "s3:GetBucketObjectLockConfiguration": "protection",
}


def documented_policy() -> dict[str, Any]:
    """The policy that operators are told to use."""
    (block,) = re.findall(r"<!-- The tests.*?```json\n(.*?)```", _DOCUMENT.read_text(), re.DOTALL)
    policy: dict[str, Any] = json.loads(block)
    return policy


def apply(bucket: Bucket, policy: dict[str, Any], user: str) -> None:
    text = json.dumps(policy).replace("BUCKET", bucket.name)
    ready = json.loads(text)
    for statement in ready["Statement"]:
        statement["Principal"] = {"AWS": [f"arn:aws:iam:::user/{user}"]}
    bucket.client.put_bucket_policy(Bucket=bucket.name, Policy=json.dumps(ready))


@pytest.fixture(scope="module")
def writer(rados_server: RadosServer) -> Any:
    """An identity that owns nothing."""
    return rados_server.gateway.user("writer")


@pytest.fixture
def bucket(
    rados_server: RadosServer, writer: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Bucket:
    """A bucket of somebody else's; the environment has the writer's credentials."""
    use_credentials(monkeypatch, writer)
    made = rados_server.bucket()
    made.configure(settings)
    return made


def found() -> dict[str, bool | None]:
    return {each.code: each.ok for each in preflight.check().report.findings}


@pytest.mark.parametrize("mode", ["compliance", "governance"])
def test_the_documented_policy_is_exactly_enough(bucket: Bucket, settings: Any, mode: str) -> None:
    settings.AUDIT_S3_OBJECT_LOCK_MODE = mode
    apply(bucket, documented_policy(), "writer")
    result = preflight.check()
    assert [each for each in result.report.findings if each.ok is not True] == []
    assert result.report.verdict is Verdict.VALID
    assert len(result.report.findings) == 15


@pytest.mark.parametrize("action", HARM)
def test_each_harmful_right_is_found(bucket: Bucket, action: str) -> None:
    policy = documented_policy()
    see, keep, deny = policy["Statement"]
    deny["Action"].remove(action)
    for statement in (see, keep):
        statement["Action"].append(action)
    apply(bucket, policy, "writer")
    assert {code for code, ok in found().items() if ok is not True} == {HARM[action]}


@pytest.mark.parametrize("action", NEEDED)
def test_each_right_that_is_missing_is_found(bucket: Bucket, action: str) -> None:
    policy = documented_policy()
    for statement in policy["Statement"]:
        statement["Action"] = [each for each in statement["Action"] if each != action]
    apply(bucket, policy, "writer")
    assert found()[NEEDED[action]] is not True
    assert preflight.check().report.verdict is not Verdict.VALID


def test_whoever_put_an_object_may_bypass_governance_unless_it_is_denied(bucket: Bucket) -> None:
    policy = documented_policy()
    policy["Statement"][2]["Action"].remove("s3:BypassGovernanceRetention")
    apply(bucket, policy, "writer")
    assert {code for code, ok in found().items() if ok is not True} == {"bypass_governance"}


def test_the_owner_may_do_too_much(
    bucket: Bucket, rados_server: RadosServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_credentials(monkeypatch, rados_server.credentials)
    told = found()
    assert {code for code, ok in told.items() if ok is not True} == set(HARM.values())
    assert told["locks_hold"] is True
