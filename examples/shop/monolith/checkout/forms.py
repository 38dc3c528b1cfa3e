from django import forms

from cart.forms import DeliveryForm

from .models import Order


class CheckoutForm(DeliveryForm):
    payment = forms.ChoiceField(choices=Order.Payment.choices)
    attempt = forms.UUIDField(widget=forms.HiddenInput)
