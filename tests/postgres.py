"""A Postgres server for tests, run by an unprivileged user; where it is not installed, they are skipped."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine

from mlkit.serving.client import free_port
from mlkit.serving.prediction_log import resolve_log_url


@contextmanager
def running_postgres() -> Iterator[str]:
    "The address of an empty database."
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb")) if os.name == "posix" else []
    if not found:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    folder, user, programs = Path(tempfile.mkdtemp()), {}, found[-1].parent
    if os.getuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    port, data = free_port(), folder / "data"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.STDOUT, "cwd": folder} | user
    make = [programs / "initdb", "-D", data, "-U", "mlkit", "-A", "trust", "-E", "UTF8", "--no-sync"]
    subprocess.run(make, check=True, **quiet)
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    control = [programs / "pg_ctl", "-D", data, "-w", "-o", options]
    subprocess.run([*control, "-l", folder / "log", "start"], check=True, **quiet)
    try:
        yield f"postgresql://mlkit@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, **quiet)
        shutil.rmtree(folder, ignore_errors=True)


def new_database(
    server: str,  # an address, from `running_postgres`
) -> str:
    "The address of another empty database of the server."
    name = f"tests_{uuid4().hex[:12]}"
    engine = create_engine(resolve_log_url(server), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return f"{server.rpartition('/')[0]}/{name}"
