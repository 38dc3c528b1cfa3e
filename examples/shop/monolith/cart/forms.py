from django import forms

from stores.models import Item

from .basket import MAX_QUANTITY
from .models import Promotion


class AddForm(forms.Form):
    item = forms.ModelChoiceField(Item.objects.filter(available=True))
    qty = forms.IntegerField(min_value=1, max_value=MAX_QUANTITY, required=False)

    def clean_qty(self):
        return self.cleaned_data["qty"] or 1


class UpdateForm(forms.Form):
    item = forms.IntegerField(min_value=1)
    qty = forms.IntegerField(min_value=0, max_value=MAX_QUANTITY)


class PromoForm(forms.Form):
    code = forms.CharField(max_length=20, required=False)

    def clean_code(self):
        code = self.cleaned_data["code"].strip().upper()
        if not code:
            return None  # an empty code takes the promotion away
        promotion = Promotion.objects.filter(code=code, active=True).first()
        if promotion is None:
            raise forms.ValidationError("There is no such code.")
        return promotion


class DeliveryForm(forms.Form):
    street = forms.CharField(max_length=80, widget=forms.TextInput({"autocomplete": "street-address"}))
    city = forms.CharField(max_length=60, widget=forms.TextInput({"autocomplete": "address-level2"}))
    note = forms.CharField(max_length=120, required=False, label="Note for the courier")
