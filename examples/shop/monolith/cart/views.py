from django.contrib import messages
from django.shortcuts import redirect, render, resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from .basket import MAX_LINES, Basket, CartFull
from .forms import AddForm, DeliveryForm, PromoForm, UpdateForm


@require_safe
def cart(request):
    return render(
        request, "cart.html", {"delivery_form": DeliveryForm(initial=request.session.get("delivery"))}
    )


@require_POST
def add(request):
    form = AddForm(request.POST)
    if not form.is_valid():
        messages.error(request, "That dish is not on the menu any more.")
        return back(request)
    item = form.cleaned_data["item"]
    try:
        Basket(request.session).add(item, form.cleaned_data["qty"])
    except CartFull:
        messages.error(request, f"A cart holds {MAX_LINES} different dishes.")
    else:
        messages.success(request, f"{item.name} is in your cart.")
    return back(request)


@require_POST
def update(request):
    form = UpdateForm(request.POST)
    if form.is_valid():
        try:
            Basket(request.session).put(form.cleaned_data["item"], form.cleaned_data["qty"])
        except CartFull:
            messages.error(request, f"A cart holds {MAX_LINES} different dishes.")
    else:
        messages.error(request, "That quantity does not work.")
    return back(request)


@require_POST
def promo(request):
    form = PromoForm(request.POST)
    if not form.is_valid():
        messages.error(request, " ".join(form.errors["code"]))
    elif promotion := form.cleaned_data["code"]:
        Basket(request.session).apply(promotion)
        messages.success(request, f"{promotion.title}.")
    else:
        Basket(request.session).drop_promotion()
    return back(request)


@require_POST
def delivery(request):
    form = DeliveryForm(request.POST)
    if form.is_valid():
        request.session["delivery"] = form.cleaned_data
        messages.success(request, "We deliver to {street}, {city}.".format(**form.cleaned_data))
    else:
        messages.error(request, "Street and city are needed.")
    return back(request)


def back(request):
    """To the page that the form named, if it is one of ours; otherwise to the cart."""
    target = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(target, allowed_hosts=None):
        target = resolve_url("cart")
    return redirect(target)
