"""The product's settings as in production, with one more app: the model that is saved."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as PRODUCT_APPS

# With DEBUG, Django keeps every query in memory.
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
SECURE_SSL_REDIRECT = False
INSTALLED_APPS = [*PRODUCT_APPS, "benchmarks.saving"]
