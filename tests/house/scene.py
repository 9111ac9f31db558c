"""Everything that the table of roles asks for: one of each thing, and requests in each name."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.test import Client as Browser
from django.urls import reverse

from tests.factories import World
from tests.house import scene_reports

# In this order everywhere below. `root` is a superuser without a grant, `ben` an officer of another
# client, `svc` and `svc2` service accounts (of the client and of another) with API keys.
PERSONAS = (
    "anonymous",
    "root",
    "nobody",
    "alice",
    "olivia",
    "audrey",
    "omar",
    "ben",
    "svc-clinic-001",
    "svc-clinic-002",
)
SERVICES = ("svc-clinic-001", "svc-clinic-002")


# Bodies that name no object of the scene.
BODIES = {
    "NEW KEY": {"action": "create", "reason": "I start on Monday."},
    "HOLD": {"case_id": "C-9", "reason": "Litigation"},
    "REASON": {"reason": "It runs twice."},
    "NEW JOB": {
        "name": "Weekly export",
        "job_type": "compliance_evidence_export",
        "schedule_cron": "0 4 * * 1",
        "payload": {"client_id": "clinic-001", "period": "previous_month"},
        "reason": "For the board",
    },
}


@dataclass(frozen=True)
class Row:
    """One request, and the status that each persona gets; a service never sees the admin."""

    name: str
    method: str
    expected: tuple[int, ...]
    body: Any = None
    address: str = ""


def _archived(moment: datetime) -> dict[str, Any]:
    """One row of each table of the archive, by the name of its pages."""
    from audit.models import CustodyRecord, Duty, DutyRecord, LegalHold, Segment

    digest = f"sha256:{'0' * 64}"
    return {
        "audit_segment": Segment.objects.create(
            first_seq=0,
            last_seq=0,
            day=moment.date(),
            raw_sha256=digest,
            raw_bytes=1,
            newest_event_at=moment,
            object_name="2026/01/01/0000000000000000-0000000000000000.jsonl",
        ),
        "audit_dutyrecord": DutyRecord.objects.create(duty=Duty.KEY_REVIEW, actor_id="user:alice"),
        "audit_legalhold": LegalHold.objects.create(
            case_id="C-1", reason="Case", placed_by="user:alice"
        ),
        "audit_custodyrecord": CustodyRecord.objects.create(
            case_id="C-1",
            reason="Case",
            source="s3://a",
            target="s3://b",
            items=[],
            document="C-1.json",
            document_sha256=digest,
            actor_id="user:alice",
        ),
    }


class Scene:
    """One package, event, key and so on of clinic-001, and how to address them."""

    def __init__(self, world: World) -> None:
        from access.roles import Role
        from audit.models import AuditEvent, Checkpoint, PendingEvent, VerificationRun
        from audit.services import checkpoints, requests, sealing, verification
        from audit.services.ingest import ingest
        from evidence.services.exporting import export_now
        from ops.models import Approval
        from ops.services import proposals
        from tests.admin.jobs import job, run

        self.world = world
        world.key("oscar")
        self.keys = {name: world.api_key(name) for name in SERVICES}
        ingest(
            actor=world.actor("svc-clinic-001"),
            events=[
                {
                    "id": "01942f4c-0000-7000-8000-000000000001",
                    "type": "backup.job.finished",
                    "occurred_at": "2026-01-31T09:00:00.000000Z",
                    "actor": {"id": "service:backup"},
                    "outcome": "success",
                }
            ],
        )
        start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
        self.package = export_now(
            actor=world.actor("olivia"),
            payload={
                "client_id": "clinic-001",
                "period_start": start.isoformat(),
                "period_end": end.isoformat(),
            },
        )
        verification.verify_database(actor=world.actor("alice"))
        self.run = VerificationRun.objects.get()
        self.request = requests.ask(
            actor=world.actor("alice"), storage=requests.Storage.DATABASE, end_day=start.date()
        )
        self.archived = _archived(start)
        self.event = AuditEvent.objects.get(client_id="clinic-001", type="backup.job.finished")
        sealing.seal_pending()
        checkpoints.issue()
        self.checkpoint = Checkpoint.objects.order_by("-id")[0]
        self.pending = PendingEvent.objects.create(event="not an event")
        self.job = job(world)
        self.job_run = run(self.job)
        asked = proposals.grant(
            actor=world.actor("alice"),
            user=world.user("nobody"),
            role=Role.OFFICER,
            client=world.client("clinic-001"),
            reason="He joins the team.",
        )
        assert isinstance(asked, Approval)
        self.approval = asked

    def address(self, entry: Row) -> str:
        from access.models import ApiKey, Grant, TokenSession
        from access.tokens import issue

        if entry.name in scene_reports.ARGS:
            args_of = scene_reports.ARGS[entry.name]
            return reverse(entry.name, args=args_of(self.world)) + entry.address
        user = self.world.user("audrey")
        kind = entry.name.removeprefix("admin:").rsplit("_", 1)[0]
        args: dict[str, Any] = {
            "evidence_package": lambda: self.package.pk,
            "access_client": lambda: "clinic-001",
            "access_person": lambda: user.person_id,
            "access_user": lambda: user.pk,
            "access_grant": lambda: Grant.objects.get(user=user).pk,
            "access_apikey": lambda: ApiKey.objects.get(user__username="svc-clinic-001").pk,
            "access_tokensession": lambda: (
                issue(self.world.user("oscar")) and TokenSession.objects.first().pk
            ),
            "audit_auditevent": lambda: self.event.pk,
            "audit_checkpoint": lambda: self.checkpoint.pk,
            "audit_verificationrun": lambda: self.run.pk,
            "audit_pendingevent": lambda: self.pending.pk,
            "audit_verificationrequest": lambda: self.request.pk,
            **{name: lambda obj=obj: obj.pk for name, obj in self.archived.items()},
            "audit_signingkey": lambda: self.world.key("oscar").pk,
            "ops_approval": lambda: self.approval.pk,
            "ops_job": lambda: self.job.pk,
            "ops_run": lambda: self.job_run.pk,
        }
        api = {
            "audit-event": [self.event.id],
            "audit-proof": [self.event.id],
            "audit-verification": [self.request.pk],
            "evidence-package": [self.package.bundle_id],
            "evidence-file": [self.package.bundle_id, f"{self.package.bundle_id}.zip"],
            "account_confirm_email": ["key"],
            **{
                f"approval{act}": [self.approval.pk]
                for act in ("", "-approve", "-reject", "-withdraw", "-use")
            },
            **{f"job-{act}": [self.job.pk] for act in ("run", "runs", "enable", "disable")},
            "run": [self.job_run.pk],
        }
        listed = ("_changelist", "_new", "_export", "_new-person", "_new-service", "_create")
        alone = (
            "audit_verificationrun_verify",
            "audit_dutyrecord_record",
            "audit_legalhold_place",
            "access_user_another",
        )
        if (
            entry.name.endswith(listed)
            or entry.name.endswith(alone)
            or "archiverstate" in entry.name
        ):
            return reverse(entry.name)
        if kind in args and entry.name.startswith("admin:"):
            return reverse(entry.name, args=[args[kind]()])
        return reverse(entry.name, args=api.get(entry.name, [])) + entry.address

    def body(self, entry: Row, persona: str) -> Any:
        if entry.body == "EXPORT":
            return {
                "client_id": "clinic-001",
                "period_start": "2026-01-01T00:00:00Z",
                "period_end": "2026-02-01T00:00:00Z",
                "retention_policy": "hipaa_6y",
                "vault_mode": "none",
                "sign_bundle": True,
            }
        if entry.body == "COUNTERSIGN":
            return {
                "package_path": self.package.package_path,
                "signer": persona,
                "signing_key_id": self.world.key("oscar").key_id,
                "password": self.world.password,
            }
        if entry.body == "VERIFY":
            return {"package_path": self.package.package_path}
        if entry.body == "RETIRE KEY":
            key = self.world.key("oscar")
            return {"action": "retire", "key_id": key.key_id, "reason": "He left."}
        if entry.body == "DECISION":
            return {
                "comment": "Looked at it",
                "password": self.world.password,
                "request_sha256": self.approval.request_sha256,
            }
        if isinstance(entry.body, str) and entry.body in scene_reports.BODIES:
            return scene_reports.BODIES[entry.body](self.world)
        return BODIES.get(entry.body, entry.body) if isinstance(entry.body, str) else entry.body

    def status(self, entry: Row, persona: str) -> int:
        browser = Browser()
        headers = {}
        if persona in SERVICES:
            headers["Authorization"] = f"Bearer {self.keys[persona]}"
        elif persona != "anonymous":
            browser.force_login(self.world.user(persona))
        address, body = self.address(entry), self.body(entry, persona)
        if entry.method == "GET":
            return browser.get(address, headers=headers).status_code
        if not entry.name.startswith("admin:"):
            return browser.post(
                address, json.dumps(body), content_type="application/json", headers=headers
            ).status_code
        return browser.post(address, body, headers=headers).status_code
