"""How many of a client's requests may be retries: what keeps a crowd of clients from felling a server that limps."""

import threading


class RetryBudget:
    """A bucket of tokens that all requests of a client share: each retry takes one, each request adds ``ratio``.

    ``reserve`` is what it begins with and the most it holds, so a short fault costs no request;
    under a long one, retries come down to ``ratio`` of the requests. Safe to share between threads.
    Source: Google, "Site Reliability Engineering" (2016), chapter 21; Finagle's RetryBudget.
    """

    def __init__(self, ratio: float = 0.2, reserve: float = 20) -> None:
        if ratio < 0 or reserve < 0:
            raise ValueError(f"RetryBudget(ratio={ratio}, reserve={reserve}): neither may be below 0")
        self.ratio, self.reserve = ratio, reserve
        self._tokens = float(reserve)
        self._lock = threading.Lock()

    def deposit(self) -> None:
        """Note a request that is no retry."""
        with self._lock:
            self._tokens = min(self.reserve, self._tokens + self.ratio)

    def withdraw(self) -> bool:
        """Take a token for a retry; return False when there is none."""
        with self._lock:
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
