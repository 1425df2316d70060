"""Encore's addresses and the yardstick."""

from django.urls import include, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView


class NothingView(APIView):
    """Does nothing, by way of everything that Django and DRF do for each request."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    def get(self, request: Request) -> Response:
        """Answer an empty object."""
        return Response({})


urlpatterns = [
    path("api/v1/nothing", NothingView.as_view()),
    path("", include("config.urls")),
]
