from django.urls import path

from . import api, views

urlpatterns = [
    path("cart/", views.cart, name="cart"),
    path("cart/add/", views.add, name="cart-add"),
    path("cart/update/", views.update, name="cart-update"),
    path("cart/promo/", views.promo, name="cart-promo"),
    path("cart/delivery/", views.delivery, name="cart-delivery"),
    path("api/me", api.me, name="api-me"),
    path("api/cart", api.cart, name="api-cart"),
]
