"""Settings of the tests: those of production, over a private PostgreSQL and throw-away keys."""

from __future__ import annotations

import base64
import os
from pathlib import Path

from config.development import cluster_folder, ensure_database, urls_for
from sealing.signers.local import LocalSigner

_PROJECT = Path(__file__).resolve().parent.parent
# Another server can be named, to run the suite on a version of PostgreSQL of one's own.
_SERVER = os.environ.get("TEST_POSTGRES_SUPERUSER_URL", "")
if not _SERVER:
    _folder = cluster_folder(_PROJECT, "test")
    ensure_database(_folder, "postgres")
    _SERVER = f"postgresql://postgres@/postgres?host={_folder}"
TEST_SUPERUSER_URL = _SERVER
_urls = urls_for(_SERVER, "strongroom_unset")

for _name in [name for name in os.environ if name.endswith("_FILE")]:
    if _name.removesuffix("_FILE") in {"SECRET_KEY", "JWT_SIGNING_KEY", "SIGNING_PRIVATE_KEY"}:
        del os.environ[_name]
os.environ.update(
    DEBUG="false",
    HTTPS="false",
    SECRET_KEY="a key that only the tests use, and long enough for Django's own checks to pass it",
    KEY_ENCRYPTION_KEY=base64.b64encode(bytes(range(32))).decode(),
    JWT_SIGNING_KEY=LocalSigner.generate("ed25519").private_pem(),
    SIGNING_PRIVATE_KEY=LocalSigner.generate("rsa-sha256").private_pem(),
    DATABASE_URL=_urls.application,
    DATABASE_OWNER_URL=_urls.owner,
    ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
    AUDIT_ENABLED="true",
    AUDIT_ORIGIN="strongroom.test/audit",
    # Each test gets folders of its own (tests/conftest.py); these are never written to.
    AUDIT_SIGNER_STATE="/nonexistent/signer-state.json",
    AUDIT_STORAGE_BACKEND="local",
    AUDIT_STORAGE_PATH="/nonexistent/archive",
    EVIDENCE_PACKAGE_DIR="/nonexistent/packages",
)
os.environ.pop("COMPLIANCE_EVIDENCE_SIGNING_SECRET", None)

from config.settings import *  # noqa: E402, F403

# Tests open and drop databases: no pool may hold connections to them.
DATABASES["default"]["OPTIONS"].pop("pool")  # type: ignore[attr-defined]  # noqa: F405
STORAGES["staticfiles"] = {  # noqa: F405
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
# Found when asked for: or each client of a test would first list every static file.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
STATIC_ROOT = _PROJECT / "access" / "static"
# The cheapest parameters: what is tested is which password is accepted, not how slowly.
PASSWORD_HASHERS = ["tests.hashers.QuickScryptHasher"]
