"""The addresses of the storefront."""

from django.urls import path

from apps.storefront.views import show

app_name = "storefront"

urlpatterns = [
    path("", show, {"page": "concerts"}, name="concerts"),
    path("sign-in", show, {"page": "sign_in"}, name="sign_in"),
    path("concerts/<int:concert_id>", show, {"page": "concert"}, name="concert"),
    path("concerts/<int:concert_id>/line", show, {"page": "line"}, name="line"),
    path("concerts/<int:concert_id>/seats", show, {"page": "seats"}, name="seats"),
    path("checkout/<int:hold_id>", show, {"page": "checkout"}, name="checkout"),
    path("receipts/<int:payment_id>", show, {"page": "receipt"}, name="receipt"),
    path("my/reservations", show, {"page": "reservations"}, name="reservations"),
    path("my/payments", show, {"page": "payments"}, name="payments"),
    path("my/wallet", show, {"page": "wallet"}, name="wallet"),
]
