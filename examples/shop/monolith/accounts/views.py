from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import PasswordChangeView, RedirectURLMixin
from django.shortcuts import redirect, render
from django.views.generic import FormView

from .forms import ProfileForm, SignUpForm
from .names import card


class SignUp(RedirectURLMixin, FormView):
    """Makes an account and logs it in; the cart stays."""

    template_name = "registration/signup.html"
    form_class = SignUpForm
    next_page = "home"

    def get_context_data(self, **kwargs):
        return super().get_context_data(next=self.get_redirect_url(), **kwargs)

    def form_valid(self, form):
        login(self.request, form.save())
        messages.success(self.request, "Welcome to Bramble.")
        return super().form_valid(form)


class Password(PasswordChangeView):
    template_name = "registration/password.html"

    def form_valid(self, form):
        messages.success(self.request, "Your password is changed. Other devices are logged out.")
        return super().form_valid(form)


@login_required
def account(request):
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        form.save()
        request.session["customer"] = card(request.user)
        messages.success(request, "Saved.")
        return redirect("account")
    return render(request, "account.html", {"form": form})
