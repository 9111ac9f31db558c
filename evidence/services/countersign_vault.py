"""States of the countersign file in the vault: one file for each, made from the rows."""

from __future__ import annotations

from evidence.formats import countersign as formats
from evidence.formats.names import Numbered, numbered_name
from evidence.models import Package
from evidence.services.vault import deposit


def deposit_states(package: Package) -> int:
    """Puts every state into the vault that is not there; returns how many were put.

    Asking twice does no harm. No transaction may be open.

    Raises:
        VaultUnavailable, VaultDiffers: the rows are the truth; `vault_audit` tries again.
    """
    known = set(package.vault_objects.values_list("name", flat=True))
    entries = [
        entry.encode()
        for entry in package.countersignatures.order_by("number").values_list("entry", flat=True)
    ]
    added = 0
    for number in range(1, len(entries) + 1):
        name = numbered_name(package.bundle_id, Numbered.COUNTERSIGN, number)
        if name in known:
            continue
        raw = formats.build(
            package_path=package.package_path,
            package_sha256=package.package_sha256,
            entries=entries[:number],
        )
        if deposit.add_file(package=package, name=name, raw=raw) is None:
            return 0
        added += 1
    return added
