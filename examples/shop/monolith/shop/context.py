"""What the frame of every page shows: who you are, where the food goes, how full the cart is."""

from django.conf import settings

from cart.basket import Basket


def shell(request):
    return {
        "basket": Basket(request.session),
        "delivery": request.session.get("delivery"),
        "crossfade": bool(settings.CROSSFADE),
    }
