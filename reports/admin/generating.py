"""Making packets from the desk: a month is chosen, what would be made is shown, then confirmed."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from access.admin import components
from access.admin.acts import Decision, Done, ObjectAction, ResultPage
from access.roles import Action
from audit.events import Actor
from reports.admin import columns, months
from reports.admin.forms import GenerateForm, ReviseForm
from reports.formats import names
from reports.formats.period import Period
from reports.models import Framework, Packet
from reports.services import controls, packets, planning

# A page is not kept waiting longer for a packet; the run's own page shows how it goes on.
PATIENCE_SECONDS = 5.0

# --- generate -----------------------------------------------------------------------------


def describe_generate(request: HttpRequest, obj: None) -> Decision:
    """What a packet is; nothing is made by this page yet."""
    return Decision(
        act="Generate a SOC 2 packet",
        consequences=(
            "The next page says what exactly would be made. Nothing is made before you confirm it.",
        ),
    )


def do_generate(request: HttpRequest, obj: None, data: dict[str, Any]) -> Done | ResultPage:
    """Says what would be made; once that is confirmed, asks for it."""
    client_id, period = data["client_id"] or None, data["period"]
    if not data["confirmed"]:
        return _to_confirm(request, client_id, period)
    found = packets.request_packet(
        actor=Actor.of_request(request),
        client_id=client_id,
        period=period,
        wait_seconds=PATIENCE_SECONDS,
    )
    return _asked_for(found)


def _to_confirm(request: HttpRequest, client_id: str | None, period: Period) -> ResultPage:
    form = GenerateForm(request.POST, request=request)
    form.full_clean()
    there = packets.find(client_id=client_id, period=period)
    is_followed = there is not None and planning.is_outdated(there)
    revision = there.revision + 1 if there is not None and is_followed else 1
    name = names.packet_name(Framework.SOC2, client_id, period, revision)
    return ResultPage(
        template="admin/reports/packet/confirm.html",
        context={
            "title": f"Generate {name}",
            "decision": _would_be_made(form, name, client_id, period),
            "form": form.to_confirm(),
            "existing": None if is_followed else there,
            "followed": there if is_followed else None,
            "is_open": period.end > timezone.now(),
            "choose_url": _choose_again(data_client=client_id, period=period),
        },
    )


def _choose_again(*, data_client: str | None, period: Period) -> str:
    address = reverse("admin:reports_packet_generate")
    return f"{address}?client={data_client or ''}&month={months.text_of(period)}"


def _would_be_made(
    form: GenerateForm, name: str, client_id: str | None, period: Period
) -> Decision:
    chosen = dict(cast(Any, form.fields["client_id"]).choices)
    standings = controls.overview(client_id=client_id, framework=Framework.SOC2, period=period)
    assessed = sum(1 for standing in standings if standing.assessment is not None)
    known = names.files(name)
    return Decision(
        act=f"Generate {name}",
        facts=(
            ("Client", chosen[client_id or ""]),
            ("Period", components.period(period.start, period.end)),
            ("Controls", f"{assessed} of {len(standings)} assessed for this period"),
            ("Files", ", ".join((known.json, known.pdf)) + " and a signature beside each"),
            ("Kept", components.identifier(settings.PACKET_RETENTION_POLICY)),
        ),
        consequences=(
            "The numbers of the period are taken from the records, each with its source. What is "
            "not there reads “no data”; what nobody assessed reads “not assessed”.",
            "The service signs the JSON and the PDF. All four files are locked away in the vault.",
            "You become the packet’s maker. Somebody else has to countersign it.",
            "That you asked for it is recorded in the audit trail.",
        ),
        irreversible=(
            "A packet can't be changed or deleted. A later one of the same period is a further "
            "revision, and both are kept.",
            "You can't countersign what you made, by any account.",
        ),
    )


def _asked_for(found: packets.Requested) -> Done:
    packet = found.packet
    if packet is None:
        assert found.run is not None, "what is not there yet is being made by a run"
        return Done(
            message="The packet is being made. You can leave this page; the run goes on.",
            url=reverse("admin:ops_run_change", args=[found.run.pk]),
        )
    made = f"Made {packet.name}. Somebody else has to countersign it."
    return Done(
        message=made if found.is_new else f"{packet.name} was there already; nothing was made.",
        url=reverse("admin:reports_packet_change", args=[packet.pk]),
    )


# --- revise ---------------------------------------------------------------------------------


def revise_hindrance(request: HttpRequest, obj: Packet) -> str | None:
    """Why no revision follows this one."""
    if not obj.is_complete:
        return "The packet was not made to its end: generate it instead."
    newest = packets.find(client_id=obj.client_id, period=columns.period_of(obj))
    if newest is not None and newest.pk != obj.pk:
        return f"There is a newer revision of this period already: {newest.name}."
    return None


def describe_revise(request: HttpRequest, obj: Packet) -> Decision:
    """What another revision is."""
    return Decision(
        act=f"Revise {obj.name}",
        digest=obj.json_sha256,
        facts=(
            ("Client", columns.client(obj)),
            ("Period", columns.period(obj)),
            ("This one", f"{columns.revision(obj)}, generated {obj.generated_at:%Y-%m-%d}"),
            ("State", columns.state(obj)),
        ),
        consequences=(
            f"Revision {obj.revision + 1} of the same period is made from the records as they are "
            "now. It names this packet, your reason, and every number that changed.",
            "It is signed and locked away like the first, and waits for its own countersignature.",
        ),
        irreversible=("Both stay. No packet is withdrawn or deleted.",),
    )


def do_revise(request: HttpRequest, obj: Packet, data: dict[str, Any]) -> Done:
    """Asks for another revision."""
    return _asked_for(
        packets.request_packet(
            actor=Actor.of_request(request),
            client_id=obj.client_id,
            period=columns.period_of(obj),
            revise=True,
            reason=data["reason"],
            wait_seconds=PATIENCE_SECONDS,
        )
    )


GENERATE = ObjectAction(
    "generate",
    "Generate a packet",
    Action.EXPORT,
    GenerateForm,
    template="admin/reports/packet/generate.html",
    handler=do_generate,
    describe=describe_generate,
    primary=True,
)
REVISE = ObjectAction(
    "revise",
    "Revise",
    Action.EXPORT,
    ReviseForm,
    handler=do_revise,
    describe=describe_revise,
    hindrance=revise_hindrance,
)
