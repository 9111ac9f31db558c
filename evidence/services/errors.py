"""What the services of this room refuse, each with a stable code."""

from __future__ import annotations

from sealing.errors import Conflict, Forbidden, IntegrityFailure, Invalid, NotFound, Unavailable


class PackageNotFound(NotFound):
    """There is no such package among those that the actor may see."""

    code = "not_found"


class RequestRefused(Invalid):
    """A field of an export or countersignature can't be accepted; the field is named."""

    code = "invalid"


class NotAPerson(Forbidden):
    """Only a human being makes or countersigns packages."""

    code = "not_a_person"


class PackageUnfinished(Conflict):
    """The package was not written to its end."""

    code = "package_unfinished"


class PackageFinished(Conflict):
    """The export has ended; it can't be taken up again."""

    code = "package_finished"


class SigningKeyChanged(Conflict):
    """The service's key is no longer the one that the export was planned with."""

    code = "signing_key_changed"


class LogInvalid(IntegrityFailure):
    """The log's lines do not verify, so nothing can be proven with them."""

    code = "audit_log_invalid"


class SelfCheckFailed(IntegrityFailure):
    """A package that was just written does not verify."""

    code = "package_self_check_failed"


class PackageFileMissing(IntegrityFailure):
    """A recorded file of a package is not where it was put."""

    code = "package_file_missing"


class PackageNotValid(IntegrityFailure):
    """The package has a fault other than a missing countersignature."""

    code = "package_not_valid"


class SignerIsNotYou(Forbidden):
    """One signs for oneself only."""

    code = "signer_is_not_you"


class CountersignerIsMaker(Forbidden):
    """Whoever made a package can't countersign it, by any account."""

    code = "countersigner_is_maker"


class KeyIsNotYours(Forbidden):
    """The key is not an active signing key of the person who signs."""

    code = "key_is_not_yours"


class ReauthenticationFailed(Forbidden):
    """The password was not right."""

    code = "reauthentication_failed"


class AlreadyCountersigned(Conflict):
    """The person, or the key, has countersigned this package already."""

    code = "already_countersigned"


class CountersignFileNotWritten(Unavailable):
    """The countersignature is recorded, but its file could not be brought up to date."""

    code = "countersign_file_not_written"


class ExternalServiceFailed(IntegrityFailure):
    """An outside service did not do its part, and the request wants it to have done it."""

    code = "external_service_failed"


class EncryptionNotConfigured(Conflict):
    """Copies in the vault are to be encrypted, and the settings do not say how."""

    code = "encryption_not_configured"


class VaultNotConfigured(Conflict):
    """The package is to be locked away, and no vault of that kind is configured."""

    code = "vault_not_configured"


class ExportFailed(IntegrityFailure):
    """The run of an export failed; code and message are those of the run."""

    code = "export_failed"


class StorageFailed(IntegrityFailure):
    """A file of the package could not be written or read."""

    code = "storage_error"
