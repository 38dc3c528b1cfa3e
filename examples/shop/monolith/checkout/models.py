import secrets

from django.conf import settings
from django.db import models
from django.urls import reverse

from shop.money import euros

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # nothing that is misread on the phone


def new_reference():
    return "BR-" + "".join(secrets.choice(ALPHABET) for _ in range(8))


class Order(models.Model):
    class Payment(models.TextChoices):
        CARD = "card", "Card, at the door"
        CASH = "cash", "Cash, at the door"

    reference = models.CharField(max_length=20, unique=True, default=new_reference, editable=False)
    # Made with the form, so that a form sent twice is one order.
    attempt = models.UUIDField(unique=True, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="orders")
    placed = models.DateTimeField(auto_now_add=True)
    street = models.CharField(max_length=80)
    city = models.CharField(max_length=60)
    note = models.CharField(max_length=120, blank=True)
    payment = models.CharField(max_length=4, choices=Payment, default=Payment.CARD)
    promo = models.CharField(max_length=20, blank=True)
    subtotal_cents = models.PositiveIntegerField()
    discount_cents = models.PositiveIntegerField()
    delivery_cents = models.PositiveIntegerField()

    class Meta:
        ordering = ["-placed", "-id"]

    def __str__(self):
        return self.reference

    def get_absolute_url(self):
        return reverse("order", args=[self.reference])

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


class OrderLine(models.Model):
    """What was bought, at the price of that moment: menus change, receipts do not."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    store = models.CharField(max_length=80)
    name = models.CharField(max_length=80)
    price_cents = models.PositiveIntegerField()
    quantity = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ["id"]

    def __str__(self):
        return f"{self.quantity} × {self.name}"

    @property
    def total(self):
        return euros(self.price_cents * self.quantity)
