"""Addresses of `/payments` and of the cancelling of reservations."""

from django.urls import path

from apps.payments.views import CancellationViewSet, PaymentViewSet

urlpatterns = [
    path("payments", PaymentViewSet.as_view({"get": "list", "post": "create"})),
    path("payments/<int:payment_id>", PaymentViewSet.as_view({"get": "retrieve"})),
    path(
        "reservations/<int:reservation_id>/cancel",
        CancellationViewSet.as_view({"post": "create"}),
    ),
]
