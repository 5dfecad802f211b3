"""Decompression that ends: a few bytes could stand for gigabytes."""

import zlib


def inflated(packed: bytes, most: int) -> bytes | None:
    """Return what ``packed`` stands for; None where that is more than ``most`` bytes, or nothing that zlib has made."""
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(packed, most)
    except zlib.error:
        return None
    return None if inflater.unconsumed_tail else plain
