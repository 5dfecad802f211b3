"""PgBouncer in transaction mode, in front of a database of the run."""

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import services

from .clients import until
from .databases import Database
from .servers import group

CONFIGURATION = """
[databases]
{NAME} = host={HOST} port={PORT} user={USER} {secret}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {pool}
max_client_conn = 200
"""


@contextmanager
def bounced(database: Database, pool: int = 6) -> Iterator[Database]:
    """Give ``database`` as it is seen through a pool of so many server connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "pgbouncer.ini")
        password = database.settings["PASSWORD"]
        secret = f"password={password}" if password else ""
        path.write_text(CONFIGURATION.format(port=port, secret=secret, pool=pool, **database.settings))
        somebody = {"user": "nobody"} if os.geteuid() == 0 else {}  # it refuses to run as root
        with open(Path(folder, "log"), "wb") as log, group([services.url("pgbouncer"), str(path)], log, **somebody):
            until(lambda: _answers(port), "PgBouncer")
            there = {"HOST": "127.0.0.1", "PORT": port, "DISABLE_SERVER_SIDE_CURSORS": True}
            yield replace(database, settings={**database.settings, **there})


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
