from django.contrib.auth import views as auth
from django.urls import path, reverse_lazy

from . import views

urlpatterns = [
    path("accounts/login/", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("accounts/logout/", auth.LogoutView.as_view(), name="logout"),
    path("accounts/signup/", views.SignUp.as_view(), name="signup"),
    path("account/", views.account, name="account"),
    path(
        "account/password/",
        views.Password.as_view(success_url=reverse_lazy("account")),
        name="password_change",
    ),
]
