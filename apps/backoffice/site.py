"""The admin site: who enters, and the pages that belong to no single model."""

from typing import Any
from urllib.parse import urlencode

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from apps.backoffice.two_step.selectors import owes_step


class BackOfficeSite(UnfoldAdminSite):
    """Where staff work. Nobody is in before the second step of the sign-in, where there is one."""

    def extra_urls(self) -> list[URLPattern]:
        """Return the pages of the back office beside those of its models."""
        # The pages import the models' admins, which are registered with this site.
        from apps.backoffice import urls

        return urls.list_pages(self)

    def has_permission(self, request: HttpRequest) -> bool:
        """Let staff in who have signed in wholly."""
        return super().has_permission(request) and not owes_step(request)

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the password; send who has given it already to the second step."""
        if request.method == "GET" and super().has_permission(request) and owes_step(request):
            asked = request.GET.get(REDIRECT_FIELD_NAME)
            query = f"?{urlencode({REDIRECT_FIELD_NAME: asked})}" if asked else ""
            return HttpResponseRedirect(reverse("admin:two_step") + query)
        return super().login(request, extra_context)

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Show the front page; to staff without any permission, why there is nothing on it."""
        if not request.user.get_all_permissions():
            context = {**self.each_context(request), "title": _("Welcome")}
            return TemplateResponse(request, "admin/no_role.html", context)
        return super().index(request, extra_context)
