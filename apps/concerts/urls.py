"""Addresses of `/concerts`."""

from django.urls import path

from apps.concerts.views import ConcertViewSet

urlpatterns = [
    path("concerts", ConcertViewSet.as_view({"get": "list"})),
    path("concerts/<int:concert_id>", ConcertViewSet.as_view({"get": "retrieve"})),
]
