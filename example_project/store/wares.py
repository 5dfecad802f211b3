"""What an empty shop is filled with; money in minor units."""

from typing import Final, NamedTuple


class Ware(NamedTuple):
    """A product at the start."""

    sku: str
    name: str
    price: int
    stock: int


SEAT: Final = Ware("seat", "One of the last 25 seats at the tasting", 2_500, 25)
PLENTY: Final = (
    Ware("tea", "Green tea", 450, 100_000),
    Ware("mug", "Mug", 1_250, 100_000),
    Ware("kettle", "Kettle", 3_999, 100_000),
    Ware("book", "Book on tea", 1_900, 100_000),
)
WARES: Final = (*PLENTY, SEAT)
CUSTOMERS: Final = ("Ada", "Barbara", "Carol", "Dorothy", "Edith", "Frances", "Grace", "Hedy")
OPENING_BALANCE: Final = 100_000_000
