"""Settings of the environment that holds the peers."""

import os

SECRET_KEY = "of the benchmarks"
USE_TZ = True
DEBUG = False
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "pgtrigger",
    "pghistory",
    "auditlog",
    "simple_history",
    "benchmarks.saving",
    "benchmarks.peers",
]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ["BENCH_PEERS_DATABASE"],
        "USER": os.environ["BENCH_PEERS_USER"],
        "HOST": os.environ["BENCH_PEERS_HOST"],
        "OPTIONS": {"pool": {"min_size": 1, "max_size": 4}},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
MIGRATION_MODULES = {"peers": None, "saving": None}
