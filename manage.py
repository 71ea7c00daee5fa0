#!/usr/bin/env python
"""Django's command line; `manage.py up` starts the whole application."""

import os
import sys

from django.core.management import execute_from_command_line

from socialcare import local
from socialcare.ground import Unavailable

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "socialcare.settings")
    try:
        local.fill_environment(sys.argv[1] if len(sys.argv) > 1 else "")
    except Unavailable as error:
        sys.exit(str(error))
    execute_from_command_line(sys.argv)
