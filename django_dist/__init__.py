"""Make a Django service safe to retry and safe to run on many machines."""

from typing import Final

__version__: Final = "0.1.0"
