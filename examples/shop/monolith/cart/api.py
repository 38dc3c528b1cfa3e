"""The small JSON API that the site's own scripts and the mobile app use."""

from django.http import JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.names import display_name

from .basket import Basket

SYSTEM = "legacy"


@never_cache
@require_safe
def me(request):
    user = request.user
    known = user.is_authenticated
    return JsonResponse(
        {
            "system": SYSTEM,
            "authenticated": known,
            "subject": str(user.pk) if known else None,
            "user": user.get_username() if known else None,
            "name": display_name(user) if known else None,
            "cart_count": Basket(request.session).count,
        }
    )


@never_cache
@require_safe
def cart(request):
    basket = Basket(request.session)
    return JsonResponse(
        {
            "system": SYSTEM,
            "currency": "EUR",
            "count": basket.count,
            "items": [
                {
                    "id": line.item.id,
                    "store": line.item.store.slug,
                    "name": line.item.name,
                    "quantity": line.quantity,
                    "price_cents": line.item.price_cents,
                    "total_cents": line.total_cents,
                }
                for line in basket.lines
            ],
            "promo": basket.promotion.code if basket.promotion else None,
            "subtotal_cents": basket.subtotal_cents,
            "discount_cents": basket.discount_cents,
            "delivery_cents": basket.delivery_cents,
            "total_cents": basket.total_cents,
        }
    )
