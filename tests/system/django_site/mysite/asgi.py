"""The site for ASGI servers, static files of the admin included."""

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
application = ASGIStaticFilesHandler(get_asgi_application())
