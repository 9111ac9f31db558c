"""The ASGI entry. It refuses to serve what the system checks call an error."""

import os

from django.core.asgi import get_asgi_application
from django.core.management import call_command

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_asgi_application()
call_command("check", fail_level="ERROR", databases=["default"])
