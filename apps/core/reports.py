"""What reports of errors may show."""

import re
from typing import Any

from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter


class ReportFilter(SafeExceptionReporterFilter):
    """Hides also what Django does not know to be secret: addresses with a password in them and, but on
    a developer's own machine, what was posted and what variables held: no list of names would do."""

    hidden_settings = re.compile(
        SafeExceptionReporterFilter.hidden_settings.pattern + "|URL|CONNINFO|CONN_STRING|LOCATION",
        flags=re.IGNORECASE,
    )

    def get_traceback_frame_variables(self, request: HttpRequest, tb_frame: Any) -> Any:
        """Return the names of a frame's variables, with their values in DEBUG alone."""
        shown = super().get_traceback_frame_variables(request, tb_frame)
        if self.is_active(request):
            return [(name, self.cleansed_substitute) for name, _value in shown]
        return shown

    def get_post_parameters(self, request: HttpRequest | None) -> Any:
        """Return the names of what was posted, with the values in DEBUG alone."""
        shown = super().get_post_parameters(request)
        return dict.fromkeys(shown, self.cleansed_substitute) if self.is_active(request) else shown
