from django.urls import path

from . import views

urlpatterns = [
    path("checkout/", views.checkout, name="checkout"),
    path("orders/", views.history, name="orders"),
    path("orders/<str:reference>/", views.receipt, name="order"),
]
