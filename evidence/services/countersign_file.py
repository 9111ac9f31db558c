"""The countersign file beside a package, made from the rows that hold its entries."""

from __future__ import annotations

from django.db import transaction

from evidence.formats import countersign as formats
from evidence.formats import names
from evidence.models import Package
from evidence.services.errors import CountersignFileNotWritten
from evidence.services.locating import file_of
from sealing.files import replace


def publish(package: Package) -> None:
    """Bring the file up to date after an entry was committed.

    Raises:
        CountersignFileNotWritten: The entry stands, but the disk refused. Whoever verifies or
            countersigns next tries again.
    """
    with transaction.atomic():
        repair(Package.objects.select_for_update().get(pk=package.pk))


def repair(package: Package) -> None:
    """Write the file from the rows, if writing it was interrupted. The row must be locked.

    A file that is known to be up to date is never written again: that would hide that somebody
    changed it, which is for verification to find.
    """
    entries = list(package.countersignatures.order_by("number"))
    if package.countersign_file_entries == len(entries):
        return
    raw = formats.build(
        package_path=package.package_path,
        package_sha256=package.package_sha256,
        entries=[entry.entry.encode() for entry in entries],
    )
    try:
        replace(file_of(package.name, names.COUNTERSIGN_SUFFIX), raw)
    except OSError as error:
        raise CountersignFileNotWritten(
            "The countersignature is recorded, but its file could not be written. It will be "
            "written when the package is next verified."
        ) from error
    package.countersign_file_entries = len(entries)
    package.save(update_fields=["countersign_file_entries"])


def needs_repair(package: Package) -> bool:
    """Whether there are entries that the file is not known to hold."""
    return package.countersign_file_entries != package.countersignatures.count()
