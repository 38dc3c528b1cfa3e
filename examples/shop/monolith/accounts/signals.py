from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver

from .names import card


@receiver(user_logged_in)
def greet_by_name(request, user, **kwargs):
    request.session["customer"] = card(user)
