"""Addresses of `/queue`."""

from django.urls import path

from apps.queue.views import QueueTokenViewSet, ReceiptKeyViewSet, RoomViewSet

urlpatterns = [
    path("queue/tokens", QueueTokenViewSet.as_view({"post": "create"})),
    path(
        "queue/tokens/current",
        QueueTokenViewSet.as_view({"get": "retrieve", "delete": "destroy"}),
    ),
    path("queue/receipt-keys", ReceiptKeyViewSet.as_view({"get": "retrieve"})),
    path("queue/rooms/<str:slug>", RoomViewSet.as_view({"get": "retrieve"})),
]
