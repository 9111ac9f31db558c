"""Settings: read from the environment, checked at start-up (``config.checks``).

With ``DEBUG`` on and nothing else set, an embedded private PostgreSQL and generated keys serve
(``config.development``). Without it, nothing has a default that would be unsafe.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from pathlib import Path

from config.environment import read_environment

BASE_DIR = Path(__file__).resolve().parent.parent
env = read_environment(os.environ)

DEBUG: bool = env.bool("DEBUG", default=False)
DATA_DIR = Path(env.str("STRONGROOM_DATA_DIR", default=str(BASE_DIR / "var" / "demo"))).resolve()

# --- secrets and keys -------------------------------------------------------------------------
# What is missing outside DEBUG is left empty here and reported by a system check.
_SECRETS = ("SECRET_KEY", "KEY_ENCRYPTION_KEY", "JWT_SIGNING_KEY", "SIGNING_PRIVATE_KEY")
_secrets = {name: env.str(name, default="") for name in _SECRETS}
if DEBUG and not all(_secrets.values()):
    from config.development import ensure_keys

    _secrets = {k: _secrets[k] or v for k, v in ensure_keys(DATA_DIR / "keys").items()}

SECRET_KEY_CONFIGURED = bool(_secrets["SECRET_KEY"])
# Django cannot load without one: a throw-away value lets the check say what is missing.
SECRET_KEY = _secrets["SECRET_KEY"] or secrets.token_urlsafe(64)
JWT_SIGNING_KEY: str = _secrets["JWT_SIGNING_KEY"]
SIGNING_PRIVATE_KEY: str = _secrets["SIGNING_PRIVATE_KEY"]
try:
    KEY_ENCRYPTION_KEY = base64.b64decode(_secrets["KEY_ENCRYPTION_KEY"], validate=True)
except binascii.Error:
    KEY_ENCRYPTION_KEY = b""
# Key-encryption keys of before, newest first: they open what they closed and close nothing new.
try:
    KEY_ENCRYPTION_KEYS_FORMER = tuple(
        base64.b64decode(item, validate=True)
        for item in env.list("KEY_ENCRYPTION_KEYS_FORMER", default=[])
    )
except binascii.Error:
    KEY_ENCRYPTION_KEYS_FORMER = (b"",)
COMPLIANCE_EVIDENCE_SIGNING_SECRET: bytes = env.str(
    "COMPLIANCE_EVIDENCE_SIGNING_SECRET", default=""
).encode()

# --- database ---------------------------------------------------------------------------------
DATABASE_URL: str = env.str("DATABASE_URL", default="")
DATABASE_OWNER_URL: str = env.str("DATABASE_OWNER_URL", default="")
if DEBUG and not DATABASE_URL:
    from config.development import cluster_folder, ensure_database

    _urls = ensure_database(cluster_folder(BASE_DIR, "run"), "strongroom")
    DATABASE_URL, DATABASE_OWNER_URL = _urls.application, _urls.owner


def _database(url: str) -> dict[str, object]:
    if not url:
        return {"ENGINE": "django.db.backends.dummy"}
    config: dict[str, object] = dict(env.db_url_config(url))
    # Django's own engine, whose cursors also count and time statements for /metrics.
    config["ENGINE"] = "django_prometheus.db.backends.postgresql"
    config["CONN_HEALTH_CHECKS"] = True
    return config


# `default` is the application role, which may neither change facts nor the schema; `owner` is for
# `migrate --database owner`, for a restore beside a damaged log, and for the restore drill.
DATABASES = {"default": _database(DATABASE_URL)}
if DATABASE_URL:
    DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {  # type: ignore[index]
        "min_size": 1,
        "max_size": 8,
        "timeout": 10,
    }
if DATABASE_OWNER_URL:
    DATABASES["owner"] = _database(DATABASE_OWNER_URL)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- the product ------------------------------------------------------------------------------
AUDIT_ENABLED: bool = env.bool("AUDIT_ENABLED", default=True)
AUDIT_ORIGIN: str = env.str("AUDIT_ORIGIN", default="localhost/audit" if DEBUG else "")
AUDIT_SIGNER_STATE = Path(
    env.str("AUDIT_SIGNER_STATE", default=str(DATA_DIR / "signer-state.json") if DEBUG else "")
)
AUDIT_STORAGE_BACKEND: str = env.str("AUDIT_STORAGE_BACKEND", default="local")
AUDIT_STORAGE_PATH = Path(
    env.str("AUDIT_STORAGE_PATH", default=str(DATA_DIR / "audit") if DEBUG else "")
)
AUDIT_S3_BUCKET: str = env.str("AUDIT_S3_BUCKET", default="")
AUDIT_S3_PREFIX: str = env.str("AUDIT_S3_PREFIX", default="audit")
AUDIT_S3_REGION: str = env.str("AUDIT_S3_REGION", default="")
AUDIT_S3_ENDPOINT_URL: str = env.str("AUDIT_S3_ENDPOINT_URL", default="")
AUDIT_S3_FORCE_PATH_STYLE: bool = env.bool("AUDIT_S3_FORCE_PATH_STYLE", default=False)
AUDIT_S3_OBJECT_LOCK_MODE: str = env.str("AUDIT_S3_OBJECT_LOCK_MODE", default="compliance")
AUDIT_S3_OBJECT_LOCK_DAYS: int = env.int("AUDIT_S3_OBJECT_LOCK_DAYS", default=2557)
AUDIT_S3_KMS_KEY_ID: str = env.str("AUDIT_S3_KMS_KEY_ID", default="")
AUDIT_FORENSIC_LOCATION: str = env.str("AUDIT_FORENSIC_LOCATION", default="")
AUDIT_VERIFY_LOOKBACK_DAYS: int = env.int("AUDIT_VERIFY_LOOKBACK_DAYS", default=7)
AUDIT_SIGNERS_FILE: str = env.str("AUDIT_SIGNERS_FILE", default="")
AWS_MAX_ATTEMPTS: int = env.int("AWS_MAX_ATTEMPTS", default=3)
TSA_URL: str = env.str("TSA_URL", default="")
TSA_CERTIFICATES: str = env.str("TSA_CERTIFICATES", default="")
KAFKA_BOOTSTRAP_SERVERS: str = env.str("KAFKA_BOOTSTRAP_SERVERS", default="")
KAFKA_TOPIC: str = env.str("KAFKA_TOPIC", default="strongroom.audit")
KAFKA_OPTIONS: str = env.str("KAFKA_OPTIONS", default="")
METRICS_TOKEN: str = env.str("METRICS_TOKEN", default="")
EVIDENCE_PACKAGE_DIR = Path(
    env.str("EVIDENCE_PACKAGE_DIR", default=str(DATA_DIR / "packages") if DEBUG else "")
)
# How many bytes may be sent to have them verified, by the API or on the public page.
EVIDENCE_UPLOAD_MAX_BYTES: int = env.int("EVIDENCE_UPLOAD_MAX_BYTES", default=256 << 20)
# How large an artefact may be: evidence of other systems that is kept in the vault.
EVIDENCE_ARTIFACT_MAX_BYTES: int = env.int("EVIDENCE_ARTIFACT_MAX_BYTES", default=64 << 20)
COMPLIANCE_EVIDENCE_VAULT_DIR: str = env.str(
    "COMPLIANCE_EVIDENCE_VAULT_DIR", default=str(DATA_DIR / "vault") if DEBUG else ""
)
# Whether files of the local vault also get the file system's immutable flag. What has it can be
# removed by root alone, and by `chattr` first: a demonstration is easier to clear away without.
EVIDENCE_VAULT_IMMUTABLE: bool = env.bool("EVIDENCE_VAULT_IMMUTABLE", default=not DEBUG)
EVIDENCE_VAULT_S3_BUCKET: str = env.str("EVIDENCE_VAULT_S3_BUCKET", default="")
# Which key service wraps the vault's data keys: none (nothing is encrypted), local, aws_kms,
# external_kms or pkcs11.
EVIDENCE_VAULT_ENCRYPTION: str = env.str("EVIDENCE_VAULT_ENCRYPTION", default="none")
EVIDENCE_VAULT_KMS_KEY_ID: str = env.str("EVIDENCE_VAULT_KMS_KEY_ID", default="")
# Further keys that an export may name.
EVIDENCE_VAULT_KMS_KEY_IDS: list[str] = env.list("EVIDENCE_VAULT_KMS_KEY_IDS", default=[])
EVIDENCE_PKCS11_MODULE: str = env.str("EVIDENCE_PKCS11_MODULE", default="")
EVIDENCE_PKCS11_TOKEN: str = env.str("EVIDENCE_PKCS11_TOKEN", default="")
EVIDENCE_PKCS11_PIN: str = env.str("EVIDENCE_PKCS11_PIN", default="")
COMPLIANCE_EVIDENCE_EXTERNAL_WORM_ENDPOINT: str = env.str(
    "COMPLIANCE_EVIDENCE_EXTERNAL_WORM_ENDPOINT", default=""
)
COMPLIANCE_EVIDENCE_EXTERNAL_WORM_UPLOAD: bool = env.bool(
    "COMPLIANCE_EVIDENCE_EXTERNAL_WORM_UPLOAD", default=False
)
COMPLIANCE_EVIDENCE_EXTERNAL_KMS_WRAP_ENDPOINT: str = env.str(
    "COMPLIANCE_EVIDENCE_EXTERNAL_KMS_WRAP_ENDPOINT", default=""
)
COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT: str = env.str(
    "COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT", default=""
)
COMPLIANCE_EVIDENCE_EXTERNAL_AUTH_TOKEN: str = env.str(
    "COMPLIANCE_EVIDENCE_EXTERNAL_AUTH_TOKEN", default=""
)
COMPLIANCE_EVIDENCE_EXTERNAL_TIMEOUT_SECONDS: int = env.int(
    "COMPLIANCE_EVIDENCE_EXTERNAL_TIMEOUT_SECONDS", default=10
)
COMPLIANCE_EVIDENCE_EXTERNAL_REQUIRE_SUCCESS: bool = env.bool(
    "COMPLIANCE_EVIDENCE_EXTERNAL_REQUIRE_SUCCESS", default=False
)
# Networks, apart from public addresses, in which an endpoint may lie (CIDR, comma-separated).
COMPLIANCE_EVIDENCE_EXTERNAL_ALLOWED_NETWORKS: list[str] = env.list(
    "COMPLIANCE_EVIDENCE_EXTERNAL_ALLOWED_NETWORKS", default=[]
)
COMPLIANCE_EVIDENCE_EXTERNAL_CA_FILE: str = env.str(
    "COMPLIANCE_EVIDENCE_EXTERNAL_CA_FILE", default=""
)
# Where people reach this installation, such as https://strongroom.example.org: packets print it,
# with a code that leads to the page that verifies them.
PUBLIC_URL: str = env.str("PUBLIC_URL", default="http://localhost:8000" if DEBUG else "").rstrip(
    "/"
)
# A certificate over SIGNING_PRIVATE_KEY and those above it, in PEM: what signatures in PDFs carry.
# Without it Strongroom issues one itself.
SIGNING_CERTIFICATE: str = env.str("SIGNING_CERTIFICATE", default="")
# Trust services categories in the engagement's scope besides security, which always is:
# availability, confidentiality, processing_integrity, privacy.
SOC2_CATEGORIES: list[str] = env.list("SOC2_CATEGORIES", default=["availability"])
PACKET_RETENTION_POLICY: str = env.str("PACKET_RETENTION_POLICY", default="regulatory_7y")
JWT_ISSUER: str = env.str("JWT_ISSUER", default="strongroom")
OIDC_ISSUER: str = env.str("OIDC_ISSUER", default="")
OIDC_AUDIENCE: str = env.str("OIDC_AUDIENCE", default="")

# --- Django -----------------------------------------------------------------------------------
ALLOWED_HOSTS: list[str] = env.list(
    "ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"] if DEBUG else []
)
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", default=[])
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
AUTH_USER_MODEL = "access.User"
LANGUAGE_CODE = "en-gb"
USE_TZ = True
TIME_ZONE = "UTC"
SITE_ID = None

INSTALLED_APPS = [
    "reports.apps.ReportsConfig",
    "evidence.apps.EvidenceConfig",
    "ops.apps.OpsConfig",
    "audit.apps.AuditConfig",
    "access.apps.AccessConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "csp",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_q",
    # Last, since it ends start-up: what the rooms registered is complete and frozen then.
    "config.apps.ConfigConfig",
]

MIDDLEWARE = [
    # Counts requests by status and address for /metrics, and times them (ops/metrics/door.py).
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "ops.middleware.RequestIdMiddleware",
    "ops.middleware.ProxyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "config.problem.ApiProblemMiddleware",
    "ops.middleware.ReadOnlyMiddleware",
    "ops.middleware.DenialMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = DEBUG
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}

# --- the queue --------------------------------------------------------------------------------
# Delivery is at least once; what makes a run happen once is its own row (ops/models/job.py).
# `retry` is far above `timeout`, since the lock of the queue starts when a task is fetched: a run
# whose worker died is found by its lease, not by the queue.
Q_CLUSTER = {
    "name": "strongroom",
    "orm": "default",
    "broker_class": "ops.queue.RunsOnly",
    "workers": 4,
    "queue_limit": 4,
    "bulk": 1,
    "poll": 0.5,
    "timeout": 6 * 3600,
    "retry": 24 * 3600,
    "max_attempts": 3,
    "catch_up": False,
    "save_limit": -1,
    "time_zone": "UTC",
    "label": "Queue",
}

# --- transport and browser --------------------------------------------------------------------
HTTPS: bool = env.bool("HTTPS", default=not DEBUG)
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
TRUST_PROXY_HEADERS: bool = env.bool("TRUST_PROXY_HEADERS", default=False)
if TRUST_PROXY_HEADERS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

_SELF = ["'self'"]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": _SELF,
        "style-src": _SELF,
        "img-src": ["'self'", "data:"],
        "font-src": _SELF,
        "connect-src": _SELF,
        "form-action": _SELF,
        "frame-ancestors": ["'none'"],
        "base-uri": ["'none'"],
    }
}

# --- accounts ---------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 14},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "admin:index"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "access.adapters.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_RATE_LIMITS = {"login_failed": "30/m/ip,10/300s/key"}
ACCOUNT_SESSION_REMEMBER = False
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Strongroom"
MFA_ADAPTER = "access.adapters.MFAAdapter"

# Rate limits count in each web process: Django's shared caches store pickles, and whoever can
# write to the database must not thereby run code here (docs/adr/0008).
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# --- REST -------------------------------------------------------------------------------------
DATA_UPLOAD_MAX_MEMORY_SIZE = 1 << 20
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "access.api.authentication.BearerAuthentication",
        "access.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["access.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "access.api.pagination.CursorPagination",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "config.schema.ProblemAutoSchema",
    "DEFAULT_THROTTLE_CLASSES": ["access.api.throttling.BurstThrottle"],
    "EXCEPTION_HANDLER": "config.problem.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Strongroom",
    "DESCRIPTION": "The audit trail, evidence packages and their verification.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "RunStatusEnum": "ops.models.RunStatus.values",
        "AssessmentStateEnum": "reports.models.AssessmentState.values",
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
}

# --- logs -------------------------------------------------------------------------------------
LOGGING_CONFIG = "config.logs.configure"
LOGGING = {"json": not DEBUG}
