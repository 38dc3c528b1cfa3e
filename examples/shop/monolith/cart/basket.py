"""The cart of one visitor, kept in the session.

Session keys, shared with every other system that serves the cart:

    cart      {"<item id>": quantity}
    promo     "<code>"
    delivery  {"street": …, "city": …, "note": …}
"""

from dataclasses import dataclass
from functools import cached_property

from shop.money import euros
from stores.models import Item, Store

from .models import Promotion

MAX_QUANTITY = 20  # of one item
MAX_LINES = 50


class CartFull(Exception):
    """The cart has MAX_LINES different items already."""


@dataclass(frozen=True)
class Line:
    item: Item
    quantity: int

    @property
    def total_cents(self):
        return self.item.price_cents * self.quantity

    @property
    def total(self):
        return euros(self.total_cents)


class Basket:
    """Reads lazily: making one costs nothing, and reading never writes to the session."""

    def __init__(self, session):
        self.session = session

    # What is in it

    @property
    def quantities(self):
        return self.session.get("cart", {})

    @property
    def count(self):
        return sum(self.quantities.values())

    @cached_property
    def lines(self):
        items = Item.objects.select_related("section__store").in_bulk(
            [int(key) for key in self.quantities if key.isdecimal()]
        )
        lines = [
            Line(items[int(k)], n) for k, n in self.quantities.items() if k.isdecimal() and int(k) in items
        ]
        return sorted(lines, key=lambda line: line.item.id)

    @property
    def by_store(self) -> list[tuple[Store, list[Line]]]:
        groups = {}
        for line in self.lines:
            groups.setdefault(line.item.store, []).append(line)
        return list(groups.items())

    @cached_property
    def promotion(self):
        code = self.session.get("promo")
        return Promotion.objects.filter(code=code, active=True).first() if code else None

    # What it costs

    @property
    def subtotal_cents(self):
        return sum(line.total_cents for line in self.lines)

    @property
    def discount_cents(self):
        return self.subtotal_cents * self.promotion.percent // 100 if self.promotion else 0

    @property
    def delivery_cents(self):
        return sum(store.delivery_fee_cents for store, _ in self.by_store)

    @property
    def total_cents(self):
        return self.subtotal_cents - self.discount_cents + self.delivery_cents

    @property
    def subtotal(self):
        return euros(self.subtotal_cents)

    @property
    def discount(self):
        return euros(-self.discount_cents)

    @property
    def delivery_fee(self):
        return euros(self.delivery_cents)

    @property
    def total(self):
        return euros(self.total_cents)

    # Changes. Each writes the whole value, because Django notices assignments, not changes inside a dict.

    def add(self, item, quantity=1):
        self.put(item.id, self.quantities.get(str(item.id), 0) + quantity)

    def put(self, item_id, quantity):
        key = str(item_id)
        cart = {k: n for k, n in self.quantities.items() if k != key or quantity > 0}
        if quantity > 0:
            cart[key] = min(quantity, MAX_QUANTITY)
        if len(cart) > MAX_LINES:
            raise CartFull
        self._write("cart", cart)

    def apply(self, promotion):
        self._write("promo", promotion.code)

    def drop_promotion(self):
        self.session.pop("promo", None)
        self.__dict__.pop("promotion", None)

    def clear(self):
        self._write("cart", {})
        self.drop_promotion()

    def _write(self, key, value):
        self.session[key] = value
        for name in ("lines", "promotion"):
            self.__dict__.pop(name, None)
