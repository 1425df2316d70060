"""All addresses."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from apps.core.problems import answer_unknown_api

API_APPS = ("accounts", "queue", "concerts", "reservations", "payments", "wallet")

admin.site.site_header = admin.site.site_title = "Encore"

urlpatterns = [
    path("", RedirectView.as_view(url="/api/docs")),
    path("api/v1/", include([path("", include(f"apps.{app}.urls")) for app in API_APPS])),
    path("api/schema", SpectacularAPIView.as_view(throttle_classes=[]), name="schema"),
    path(
        "api/docs",
        SpectacularSwaggerView.as_view(url_name="schema", throttle_classes=[]),
        name="docs",
    ),
    path("api/<path:unknown>", answer_unknown_api),
    path("admin/", admin.site.urls),
]

handler400 = "apps.core.problems.answer_bad_request"
handler500 = "apps.core.problems.answer_server_error"
