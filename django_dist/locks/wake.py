"""Told by Redis: one connection of a process hears which of the locks that it waits for is free."""

import logging
import os
import threading
from collections.abc import Callable
from typing import Final
from uuid import uuid4

from redis.exceptions import RedisError

from ..redis_client import client_of

log: Final = logging.getLogger("django_dist.locks")
#: Seconds that the thread goes on for after the last who waited.
IDLE_S: Final = 30.0
AGAIN_S: Final = 1.0  # until a lost connection is made anew
Told = Callable[[bytes], None]


class Ear:
    """Listens on a channel that is this process's own; a child after a fork has another."""

    def __init__(self, connection: str, channel: bytes, told: Told) -> None:
        self._connection, self._channel, self._told = connection, channel, told
        self._forget()

    def _forget(self) -> None:
        self._pid, self._changing = os.getpid(), threading.Lock()
        self._process = uuid4().hex.encode()
        self._live = threading.Event()
        self._thread: threading.Thread | None = None
        self._asked = False  # since the thread last looked

    @property
    def process(self) -> bytes:
        """What this process is called in queues."""
        if self._pid != os.getpid():
            self._forget()
        return self._process

    def open(self) -> bool:
        """Return whether a message that is sent now will be heard; begins to listen where it does not yet."""
        if self._pid != os.getpid():
            self._forget()
        with self._changing:
            self._asked = True
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="django_dist lock wake-ups", daemon=True)
                self._thread.start()
        return self._live.is_set()

    def _run(self) -> None:
        try:
            while self._again():
                try:
                    self._listen()
                except (RedisError, OSError, UnicodeError) as error:
                    if self._live.is_set():
                        log.warning("Redis does not tell who is granted a lock; they ask for it instead: %s", error)
                    self._live.clear()
                    threading.Event().wait(AGAIN_S)
        finally:
            self._live.clear()
            with self._changing:
                self._thread = None  # who waits next begins another

    def _listen(self) -> None:
        """Hear, until nobody has waited for a while; raises RedisError."""
        with client_of(self._connection).pubsub() as heard:
            heard.subscribe(self._channel + self._process)
            while (message := heard.get_message(timeout=IDLE_S)) is not None or self._again():
                if message is not None and message["type"] == "subscribe":
                    self._live.set()
                elif message is not None and message["type"] == "message":
                    self._told(heard.encoder.encode(message["data"]))

    def _again(self) -> bool:
        with self._changing:
            asked, self._asked = self._asked, False
        return asked
