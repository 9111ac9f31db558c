"""A random past of an installation, drawn from a seed: events, accounts, grants, runs, approvals.

Moments are drawn so that many lie at the very edges of the month in question, one microsecond
before, or one after. Somebody else's recorder claims types of Strongroom's own; persons turn out to
be one human; grants were revoked. Guards that keep times honest are off while it is written.
"""

from __future__ import annotations

import json
import random
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import psycopg
import pytest
from django.contrib.auth.models import Group
from django.db import connection

from access.models import Grant, Person, User
from audit.events import EventType
from audit.formats import event as formats
from audit.models import DutyRecord, VerificationRun
from audit.services import clock, sealing
from evidence.models import Artifact, Deposit
from ops.models import Approval, ApprovalDecision, Job, Run
from reports.models import Control
from sealing.times import format_time
from tests.databases import CommittedDatabase

START, END = datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)
MICRO, DAY = timedelta(microseconds=1), timedelta(days=1)
EDGES = (START - MICRO, START, START + MICRO, END - MICRO, END, END + MICRO)
CLIENTS = ("clinic-001", "clinic-002")
_UNGUARDED = (
    "access_grant", "access_user", "ops_approval", "ops_approvaldecision", "ops_run", "ops_job",
    "audit_events", "evidence_deposit", "evidence_artifact",
)  # fmt: skip
_STATES = ("pending", "approved", "used", "rejected", "withdrawn", "expired", "void", "failed")


@dataclass
class History:
    """Writes the past.

    Attributes:
        seed: what it is drawn from.
        database: in which commits are real, so that its owner can take part.
        usernames: the accounts that were made.
    """

    seed: int
    database: CommittedDatabase
    usernames: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def write(self, patch: pytest.MonkeyPatch) -> None:
        """Everything, sealed."""
        self.as_owner(*(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in _UNGUARDED))
        self._people()
        self._grants()
        self._at_edges()
        for _ in range(60):
            self._run()
        for number in range(14):
            self._approval(number)
        self._merge()
        self._checks()
        self._artifacts()
        for moment in (datetime(2024, 2, 12, tzinfo=UTC), END + DAY, END + 9 * DAY):
            for _ in range(220):
                self._event()
            self._factors(8)
            patch.setattr(clock, "host_clock", lambda at=moment: at)
            patch.setattr(clock, "database_clock", lambda at=moment: at)
            sealing.seal_pending()
        patch.undo()
        self.as_owner(
            "UPDATE audit_events SET s3_archived_at = created_at, s3_object_key = 'x'"
            " WHERE seq % 3 = 0"
        )

    def as_owner(self, *statements: str) -> None:
        """What the application itself may not do."""
        with psycopg.connect(self.database.superuser_url) as owner:
            for statement in statements:
                owner.execute(statement.encode())

    def moment(self) -> datetime:
        """At an edge, within the month, or within four months before."""
        kind = self.random.random()
        if kind < 0.4:
            return self.random.choice(EDGES)
        first = START if kind < 0.8 else START - 120 * DAY
        return first + timedelta(seconds=self.random.randrange(31 * 86_400), microseconds=7)

    def client(self) -> str | None:
        """A client, or none."""
        return self.random.choice([*CLIENTS, None])

    def put(self, kind: str, at: datetime, **more: Any) -> None:
        """Records an event as it comes, whoever the recorder says he is."""
        values = {"recorder": "strongroom", "actor": {"id": "user:alice"}} | more
        event_id = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        raw = formats.build(id=event_id, type=kind, occurred_at=format_time(at), **values)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO audit_pendingevent (event) VALUES (%s)", [raw.decode("utf-8")]
            )

    def _event(self) -> None:
        kind = self.random.choice([*map(str, EventType), "app.order.placed", "app.order.lost"])
        foreign = kind.startswith("app.") or self.random.random() < 0.1
        about = {"type": "account", "id": self.random.choice(self.usernames)}
        self.put(
            kind,
            self.moment(),
            client_id=self.client(),
            recorder="svc-clinic-001" if foreign else "strongroom",
            outcome=self.random.choice(formats.OUTCOMES),
            object=about if self.random.random() < 0.7 else None,
            data={"kind": self.random.choice(["totp", "webauthn", "recovery_codes"])},
        )

    def _factors(self, count: int) -> None:
        for _ in range(count):
            self.put(
                "access.factor.added",
                self.moment(),
                object={"type": "account", "id": self.random.choice(self.usernames)},
                data={"kind": "totp"},
            )

    def _people(self) -> None:
        for number in range(9):
            person = Person.objects.create(display_name=f"Person {number}")
            for letter in "ab"[: self.random.choice([1, 1, 2])]:
                self._account(f"p{self.seed}-{number}{letter}", person)
        for number in range(3):
            self._account(f"svc{self.seed}-{number}", None)

    def _account(self, username: str, person: Person | None) -> None:
        User.objects.bulk_create(
            [
                User(
                    username=username,
                    person=person,
                    is_service=person is None,
                    date_joined=self.moment() - self.random.choice([0, 0, 100]) * DAY,
                    is_active=self.random.random() < 0.8,
                )
            ]
        )
        self.usernames.append(username)

    def _grants(self) -> None:
        groups = list(Group.objects.filter(name__in=["admin", "auditor", "compliance-officer"]))
        for user in User.objects.filter(username__in=self.usernames):
            taken = set()
            for _ in range(self.random.choice([0, 1, 2, 3])):
                group, client, ended = self.random.choice(groups), self.client(), self.moment()
                revoked = ended if self.random.random() < 0.4 else None
                if revoked is None and (group.pk, client) in taken:
                    continue
                taken.add((group.pk, client))
                made = Grant.objects.create(
                    user=user, group=group, client_id=client, revoked_at=revoked
                )
                Grant.objects.filter(pk=made.pk).update(created_at=self.moment() - 5 * DAY)

    def _at_edges(self) -> None:
        """Officers whose grant ended at an edge, and people who last signed in at one."""
        officer = Group.objects.get(name="compliance-officer")
        for number, edge in enumerate(EDGES):
            users = [f"{kind}{self.seed}-{number}" for kind in ("ended", "woke", "made")]
            for username in users:
                self._account(username, Person.objects.create(display_name=username))
            made = User.objects.filter(username__in=users)
            made.update(date_joined=START - 200 * DAY, is_active=True)
            User.objects.filter(username=users[2]).update(date_joined=edge - 90 * DAY)
            for user in made:
                grant = Grant.objects.create(user=user, group=officer, client_id=CLIENTS[0])
                revoked = edge if user.username == users[0] else None
                Grant.objects.filter(pk=grant.pk).update(
                    created_at=START - 100 * DAY, revoked_at=revoked
                )
            about = {"type": "account", "id": users[1]}
            self.put("access.login.succeeded", edge - 90 * DAY, object=about)
            # They are nobody's to be drawn: nothing else happens to them.
            del self.usernames[-3:]

    def _run(self) -> None:
        failed = self.random.random() < 0.4
        ended = self.moment()
        Run.objects.bulk_create(
            [
                Run(
                    job_type="export",
                    client_id=self.client(),
                    triggered_by=self.random.choice(["schedule", "user:alice"]),
                    intended_at=self.moment(),
                    created_at=ended - DAY,
                    status="FAILED" if failed else "SUCCESS",
                    finished_at=ended,
                    error_code="broken" if failed else "",
                    error_message="It broke." if failed else "",
                )
            ]
        )

    def _approval(self, number: int) -> None:
        people = list(User.objects.filter(username__in=self.usernames, person__isnull=False))
        asker, decider = self.random.sample(people, 2)
        while asker.person_id == decider.person_id:
            decider = self.random.choice(people)
        at, client, state = self.moment(), self.client(), self.random.choice(_STATES)
        expires = at + timedelta(hours=72)
        bound = {
            "action": self.random.choice(["grant.create", "job.create"]), "client_id": client,
            "reason": f"Reason {number}", "needed": 1,
            "requester": {"person": str(asker.person_id), "account": asker.username},
            "created_at": format_time(at), "expires_at": format_time(expires), "params": {},
        }  # fmt: skip
        text = json.dumps(bound, separators=(",", ":"), sort_keys=True)
        closed = None if state in ("pending", "approved") else self.moment()
        failed = {"executed_at": closed, "outcome_code": "x"} if state == "failed" else {}
        approval = Approval(
            action=bound["action"], client_id=client, requester=asker.person,
            requester_account=asker, reason=bound["reason"], needed=1, request=text,
            request_sha256=f"sha256:{sha256(text.encode()).hexdigest()}", created_at=at,
            expires_at=expires, state=state, closed_at=closed, **failed,
        )  # fmt: skip
        Approval.objects.bulk_create([approval])
        ApprovalDecision.objects.bulk_create(
            [
                ApprovalDecision(
                    approval=approval, requester=asker.person, person=decider.person,
                    request_sha256=approval.request_sha256, account=decider,
                    approves=self.random.random() < 0.6, comment="Because.",
                    decided_at=self.moment(),
                )
            ]
        )  # fmt: skip

    def _merge(self) -> None:
        """Whoever decided turns out to be whoever had asked."""
        for decision in ApprovalDecision.objects.order_by("decided_at")[:2]:
            one, other = decision.person, decision.requester
            one.refresh_from_db()
            other.refresh_from_db()
            if one.merged_into_id is None and other.merged_into_id is None:
                one.merged_into = other
                one.save(update_fields=["merged_into"])

    def _checks(self) -> None:
        for number in range(24):
            at = self.moment()
            VerificationRun.objects.create(
                started_at=at, finished_at=at, actor_id="service:worker",
                kind=self.random.choice(["manual", "scheduled", "drill", "restore"]),
                start_seq=0, end_seq=1, checked_events=1, message="", findings=[],
                verdict=self.random.choice(["VALID", "INVALID", "INCONCLUSIVE"]),
            )  # fmt: skip
            duty = ("daily_verification", "permission_audit", "key_review")[number % 3]
            DutyRecord.objects.create(
                duty=duty, done_at=self.moment(), actor_id="user:alice",
                ok=self.random.random() < 0.7,
            )  # fmt: skip
        for client in (None, *CLIENTS):
            job = Job.objects.create(
                name=f"nightly-{self.seed}-{client}", job_type="export", client_id=client,
                owner=User.objects.get(username="alice"),
                schedule_cron=self.random.choice(["0 3 * * *", "*/30 4,7 * * *", "15 1 1 * *"]),
                created_at=START - DAY * self.random.choice([-5, 1]),
            )  # fmt: skip
            Run.objects.bulk_create(
                Run(
                    job=job, job_type="export", client_id=client, triggered_by="schedule",
                    intended_at=START + DAY * day + timedelta(hours=3), status="SUCCESS",
                    finished_at=START + DAY * day + timedelta(hours=3, minutes=1),
                )
                for day in self.random.sample(range(29), 12)
            )  # fmt: skip

    def _artifacts(self) -> None:
        controls = list(Control.objects.values_list("control_id", flat=True))[:36]
        account = User.objects.get(username="alice")
        for number in range(25):
            client, first = self.client(), self.moment()
            name = f"artifact_{self.seed}_{number}"
            deposit = Deposit.objects.create(
                kind="artifact", client_id=client, name=name, mode="local",
                folder=f"{client or 'platform'}/2024/02/01/{name}", retention_policy="x",
                period_start=first, period_end=first + DAY, actor_id="user:alice",
            )  # fmt: skip
            Artifact.objects.create(
                client_id=client, framework="SOC2", control_id=self.random.choice(controls),
                period_start=first, period_end=first + DAY, title=name, file_name="a.csv",
                media_type="text/csv", size_bytes=1, sha256="sha256:" + "a" * 64,
                deposit=deposit, person=account.person, account=account, created_at=self.moment(),
            )  # fmt: skip
