"""Addresses of `/auth`."""

from django.urls import path

from apps.accounts.views import SignInViewSet

urlpatterns = [
    path("auth/login", SignInViewSet.as_view({"post": "login"})),
    path("auth/refresh", SignInViewSet.as_view({"post": "refresh"})),
]
