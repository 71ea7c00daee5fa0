#!/usr/bin/env python
"""Django's command line; `manage.py up` starts the whole application."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import OperationalError

from socialcare import local
from socialcare.ground import Unavailable


def main() -> None:
    """What whoever starts it can mend is said in one sentence."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "socialcare.settings")
    if any("\udc80" <= sign <= "\udcff" for sign in "".join(sys.argv)):  # Python's stand-ins for bytes that are no text
        sys.exit("What was typed is not UTF-8.")
    try:
        local.fill_environment(sys.argv[1] if len(sys.argv) > 1 else "")
        execute_from_command_line(sys.argv)
    except (Unavailable, ImproperlyConfigured) as error:
        sys.exit(str(error))
    except OperationalError as error:
        if getattr(error.__cause__, "pgcode", None):  # the server's own words: it is there
            raise
        sys.exit(f"The database cannot be reached; is Socialcare running? {str(error).strip().splitlines()[0]}")


if __name__ == "__main__":
    main()
