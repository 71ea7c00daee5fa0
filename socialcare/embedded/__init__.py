"""PostgreSQL and Redis for trial, development and tests: own children, unix sockets only, data in one folder of ours.

The binaries come from two Python packages or from the system; only their programs are used, never their Python code.
"""

from socialcare.embedded.postgres import Postgres
from socialcare.embedded.redis_server import Redis
from socialcare.embedded.server import Server

__all__ = ["Postgres", "Redis", "Server"]
