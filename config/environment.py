"""Reads settings from the environment, each also from the file that ``NAME_FILE`` names.

Secrets mounted as files (systemd credentials, Docker and Kubernetes secrets) never have to pass
through the process environment, where ``/proc`` and crash reports show them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import environ
from django.core.exceptions import ImproperlyConfigured

FILE_SUFFIX = "_FILE"
# Variables of other programs that end in _FILE and are not ours to open.
NAMES = frozenset(
    {
        "ALLOWED_HOSTS",
        "AUDIT_ENABLED",
        "AUDIT_FORENSIC_LOCATION",
        "AUDIT_ORIGIN",
        "AUDIT_S3_BUCKET",
        "AUDIT_S3_ENDPOINT_URL",
        "AUDIT_S3_FORCE_PATH_STYLE",
        "AUDIT_S3_KMS_KEY_ID",
        "AUDIT_S3_OBJECT_LOCK_DAYS",
        "AUDIT_S3_OBJECT_LOCK_MODE",
        "AUDIT_S3_PREFIX",
        "AUDIT_S3_REGION",
        "AUDIT_SIGNER_STATE",
        "AUDIT_STORAGE_BACKEND",
        "AUDIT_STORAGE_PATH",
        "AUDIT_VERIFY_LOOKBACK_DAYS",
        "AWS_MAX_ATTEMPTS",
        "COMPLIANCE_EVIDENCE_EXTERNAL_ALLOWED_NETWORKS",
        "COMPLIANCE_EVIDENCE_EXTERNAL_AUTH_TOKEN",
        "COMPLIANCE_EVIDENCE_EXTERNAL_CA_FILE",
        "COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT",
        "COMPLIANCE_EVIDENCE_EXTERNAL_KMS_WRAP_ENDPOINT",
        "COMPLIANCE_EVIDENCE_EXTERNAL_REQUIRE_SUCCESS",
        "COMPLIANCE_EVIDENCE_EXTERNAL_TIMEOUT_SECONDS",
        "COMPLIANCE_EVIDENCE_EXTERNAL_WORM_ENDPOINT",
        "COMPLIANCE_EVIDENCE_EXTERNAL_WORM_UPLOAD",
        "COMPLIANCE_EVIDENCE_SIGNING_SECRET",
        "COMPLIANCE_EVIDENCE_VAULT_DIR",
        "CSRF_TRUSTED_ORIGINS",
        "DATABASE_OWNER_URL",
        "DATABASE_URL",
        "DEBUG",
        "EVIDENCE_ARTIFACT_MAX_BYTES",
        "EVIDENCE_PACKAGE_DIR",
        "EVIDENCE_PKCS11_MODULE",
        "EVIDENCE_PKCS11_PIN",
        "EVIDENCE_PKCS11_TOKEN",
        "EVIDENCE_UPLOAD_MAX_BYTES",
        "EVIDENCE_VAULT_ENCRYPTION",
        "EVIDENCE_VAULT_IMMUTABLE",
        "EVIDENCE_VAULT_KMS_KEY_ID",
        "EVIDENCE_VAULT_KMS_KEY_IDS",
        "EVIDENCE_VAULT_S3_BUCKET",
        "HTTPS",
        "JWT_ISSUER",
        "JWT_SIGNING_KEY",
        "KAFKA_BOOTSTRAP_SERVERS",
        "KAFKA_OPTIONS",
        "KAFKA_TOPIC",
        "KEY_ENCRYPTION_KEY",
        "KEY_ENCRYPTION_KEYS_FORMER",
        "METRICS_TOKEN",
        "OIDC_AUDIENCE",
        "OIDC_ISSUER",
        "SECRET_KEY",
        "SIGNING_PRIVATE_KEY",
        "STRONGROOM_DATA_DIR",
        "TRUST_PROXY_HEADERS",
        "TSA_CERTIFICATES",
        "TSA_URL",
    }
)


def read_environment(source: Mapping[str, str]) -> environ.Env:
    """Returns an ``environ.Env`` over ``source`` with every ``NAME_FILE`` replaced by its content.

    Raises:
        ImproperlyConfigured: both ``NAME`` and ``NAME_FILE`` are set, or the file cannot be read.
    """
    values = dict(source)
    for name in NAMES:
        path = source.get(name + FILE_SUFFIX)
        if not path:
            continue
        if source.get(name):
            raise ImproperlyConfigured(f"Set either {name} or {name}_FILE, not both.")
        try:
            values[name] = Path(path).read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ImproperlyConfigured(
                f"{name}_FILE cannot be read: {error.__class__.__name__}."
            ) from error
    env = environ.Env()
    # django-environ expands values that begin with "$"; a password may begin with one too.
    env.escape_proxy = True
    env.ENVIRON = {name: value.replace("$", r"\$") for name, value in values.items()}
    return env
