"""The servers of a run: a PostgreSQL with the durable settings of production and a Redis, children of this process in
a folder of their own, on unix sockets only; and the databases the figures work in."""

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

from socialcare.embedded import Postgres, Redis
from socialcare.ground import Ground

HERE = Path(__file__).resolve().parent.parent
OPTIONS = {
    "max_connections": "200",
    "shared_buffers": "2GB",
    "random_page_cost": "1.1",
    "effective_io_concurrency": "200",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "shared_preload_libraries": "pg_stat_statements",
    "autovacuum": "off",  # analysed and vacuumed by the benchmarks themselves, at the same moment in each round
}
TEMPLATE = "product"


class Scratch:
    """The servers and the folder of a run."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="socialcare-bench-"))
        self.folder.chmod(0o711)  # the servers run as another user when we are root
        self.ground = Ground(self.folder)
        self.log = (self.folder / "log").open("ab")
        self.postgres = Postgres(self.ground, output=self.log, durable=True)
        self.postgres.options = OPTIONS
        self.redis = Redis(self.ground, output=self.log, durable=True)

    def start(self):
        self.ground.prepare()
        self.postgres.start()
        self.redis.start()

    def stop(self):
        self.redis.stop(patience=5)
        self.postgres.stop(patience=30)
        self.ground.unlock()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def environment(self, database, **more):
        """What a process of the product needs to know of these servers."""
        url = self.postgres.url.replace("/socialcare?", f"/{database}?")
        return {
            **os.environ,
            "DATABASE_URL": url,
            "REDIS_URL": self.redis.url,
            "SECRET_KEY": "only-for-benchmarks-" + "0" * 40,
            "SEAL_KEYS": "k1:" + "A" * 43 + "=",
            "ROLE": "worker",
            "LOG_LEVEL": "WARNING",
            "DATA_DIR": str(self.folder),
            "DJANGO_SETTINGS_MODULE": "socialcare.settings",
            "BENCH_REDIS_PID": str(self.redis.process.pid),
            "BENCH_PG_BIN": str(self.postgres.bin),
            **more,
        }

    def execute(self, sql):
        with closing(self.postgres.connect()) as connection:
            connection.autocommit = True
            connection.cursor().execute(sql)

    def make_template(self):
        """The empty database of the product, from its own migrations, and the files that its pages name."""
        self.execute(f"CREATE DATABASE {TEMPLATE}")
        migrate = [sys.executable, "manage.py", "migrate", "-v", "0", "--skip-checks"]
        subprocess.run(migrate, cwd=HERE, env=self.environment(TEMPLATE, ROLE="migrate"), check=True)
        collect = [sys.executable, "manage.py", "collectstatic", "-v", "0", "--no-input", "--skip-checks"]
        subprocess.run(collect, cwd=HERE, env=self.environment(TEMPLATE, TESTING=""), check=True)

    @contextmanager
    def database(self, name, template=TEMPLATE):
        """A database like the template; dropped at the end."""
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        try:
            yield name
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")
