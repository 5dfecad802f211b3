"""What is recorded of the client of a session, where the site asks for it."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any, Final, NamedTuple

from .options import options

LONGEST_AGENT: Final = 200
KEPT_BITS: Final = {4: 24, 6: 48}


class Device(NamedTuple):
    """None: not recorded, or not known; what was recorded before stays."""

    ip: str | None = None
    agent: str | None = None


UNKNOWN: Final = Device()


def device_of(meta: Mapping[str, Any] | None) -> Device:
    """Return what the options let be recorded of a request with the META ``meta``."""
    settings = options()
    if meta is None or (settings.record_ip == "no" and not settings.record_user_agent):
        return UNKNOWN
    ip = None if settings.record_ip == "no" else _ip(str(meta.get("REMOTE_ADDR", "")), settings.record_ip == "full")
    return Device(ip, _agent(str(meta.get("HTTP_USER_AGENT", ""))) if settings.record_user_agent else None)


def _ip(text: str, full: bool) -> str | None:
    try:
        address = ip_address(text.strip().partition("%")[0])  # without the zone, which is the server's own name
    except ValueError:  # a socket, or what a proxy was told
        return None
    address = getattr(address, "ipv4_mapped", None) or address
    return str(address if full else ip_network((address, KEPT_BITS[address.version]), strict=False).network_address)


def _agent(text: str) -> str:
    return "".join(char for char in text[:LONGEST_AGENT] if char.isprintable())
