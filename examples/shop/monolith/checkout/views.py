import uuid

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_safe

from cart.basket import Basket

from .forms import CheckoutForm
from .orders import place


@login_required
def checkout(request):
    form = CheckoutForm(
        request.POST or None,
        initial={"attempt": uuid.uuid4(), "payment": "card", **request.session.get("delivery", {})},
    )
    basket = Basket(request.session)
    if request.method == "POST" and form.is_valid():
        details = form.cleaned_data
        again = request.user.orders.filter(attempt=details["attempt"]).first()
        if again is not None:
            return redirect(again)
        if basket.lines:
            request.session["delivery"] = {k: details[k] for k in ("street", "city", "note")}
            return redirect(place(request.user, basket, details))
    if not basket.lines:
        messages.info(request, "Your cart is empty.")
        return redirect("cart")
    return render(request, "checkout.html", {"form": form})


@login_required
@require_safe
def history(request):
    return render(request, "orders.html", {"orders": request.user.orders.prefetch_related("lines")[:50]})


@login_required
@require_safe
def receipt(request, reference):
    order = get_object_or_404(request.user.orders.prefetch_related("lines"), reference=reference)
    return render(request, "receipt.html", {"order": order})
