"""The WSGI entry. It refuses to serve what the system checks call an error."""

import os

from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
application = get_wsgi_application()
call_command("check", fail_level="ERROR", databases=["default"])
