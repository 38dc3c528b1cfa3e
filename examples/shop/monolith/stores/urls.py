from django.urls import path

from . import views

urlpatterns = [
    path("", views.home, name="home"),
    path("stores/<slug:slug>/", views.store, name="store"),
]
