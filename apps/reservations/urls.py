"""Addresses of a concert's dates and seats, of `/holds` and of `/reservations`."""

from django.urls import path

from apps.reservations.views.availability import AvailabilityViewSet
from apps.reservations.views.holds import HoldViewSet
from apps.reservations.views.reservations import ReservationViewSet

urlpatterns = [
    path("concerts/<int:concert_id>/dates", AvailabilityViewSet.as_view({"get": "dates"})),
    path(
        "concerts/<int:concert_id>/dates/<str:date>/seats",
        AvailabilityViewSet.as_view({"get": "seats"}),
    ),
    path(
        "concerts/<int:concert_id>/dates/<str:date>/holds",
        HoldViewSet.as_view({"post": "create"}),
    ),
    path("holds", HoldViewSet.as_view({"get": "list"})),
    path("holds/<int:hold_id>", HoldViewSet.as_view({"get": "retrieve", "delete": "destroy"})),
    path("reservations", ReservationViewSet.as_view({"get": "list", "post": "create"})),
    path("reservations/<int:reservation_id>", ReservationViewSet.as_view({"get": "retrieve"})),
]
