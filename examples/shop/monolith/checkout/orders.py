"""Turns a cart into an order, once."""

from django.db import IntegrityError, transaction
from django.shortcuts import get_object_or_404

from .models import Order, OrderLine


def place(user, basket, details):
    """Save what is in the basket as an order of the user and empty the basket.

    `details` is the cleaned data of a CheckoutForm. Sent a second time, also at the same moment from
    another tab, it finds the first order of this user.
    """
    try:
        with transaction.atomic():
            order = Order.objects.create(
                user=user,
                promo=basket.promotion.code if basket.promotion else "",
                subtotal_cents=basket.subtotal_cents,
                discount_cents=basket.discount_cents,
                delivery_cents=basket.delivery_cents,
                **details,
            )
            OrderLine.objects.bulk_create(
                OrderLine(
                    order=order,
                    store=line.item.store.name,
                    name=line.item.name,
                    price_cents=line.item.price_cents,
                    quantity=line.quantity,
                )
                for line in basket.lines
            )
    except IntegrityError:
        return get_object_or_404(user.orders, attempt=details["attempt"])
    basket.clear()
    return order
