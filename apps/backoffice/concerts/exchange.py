"""Import and export as all lists of concerts have it: CSV and Excel, with a preview, for who may."""

import base64
import binascii
from typing import Any

from django.contrib import messages
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from import_export.admin import ExportMixin, ImportExportMixin
from import_export.formats.base_formats import CSV, XLSX
from import_export.tmp_storages import BaseStorage
from unfold.contrib.import_export.forms import ExportForm, ImportForm

# The file goes along with the confirmation: twice this, as text, is less than a form may have.
IMPORT_BYTES_MAX = 400_000
EXPORT_ROWS_MAX = 200_000
SALT = "encore.import"


class SignedStorage(BaseStorage):
    """Keeps an imported file between preview and confirmation in the confirmation itself, signed.

    So any of several machines may get it, none keeps anything, and no name of a file is believed.
    """

    def save(self, data: bytes | str) -> None:
        """Take the file; its text becomes the name that the form sends back."""
        content = data.encode() if isinstance(data, str) else data
        packed = base64.b64encode(content).decode()
        self.name = signing.dumps(packed, salt=SALT, compress=True)

    def read(self) -> bytes:
        """Return the file. Raise `PermissionDenied` where it is not as it was shown."""
        try:
            return base64.b64decode(signing.loads(self.name, salt=SALT))
        except (signing.BadSignature, binascii.Error):
            raise PermissionDenied from None

    def remove(self) -> None:
        """Leave nothing: nothing was kept."""


class SizedImportForm(ImportForm):
    """The form of an import; it takes no file that the confirmation could not carry."""

    def clean_import_file(self) -> Any:
        """Refuse a file that is too large."""
        file = self.cleaned_data["import_file"]
        if file.size > IMPORT_BYTES_MAX:
            told = _("The file is larger than %(most)s KB. Split it, and import its parts.")
            self.add_error("import_file", told % {"most": IMPORT_BYTES_MAX // 1000})
        return file


class ListExportMixin(ExportMixin):
    """Export of what the list shows, for whoever may see it."""

    import_export_change_list_template = "admin/concerts/exchange_list.html"
    export_form_class = ExportForm
    formats = [CSV, XLSX]
    export_formats = formats
    # With its mark, Excel reads the file as UTF-8.
    to_encoding = "utf-8-sig"

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Let export who may see the list."""
        return self.has_view_or_change_permission(request)  # type: ignore[attr-defined]

    def get_export_data(
        self, file_format: Any, request: HttpRequest, queryset: Any, **kwargs: Any
    ) -> Any:
        """Return the file. Raise `ValueError`, which the page tells, where the list is too long for one."""
        if queryset[EXPORT_ROWS_MAX : EXPORT_ROWS_MAX + 1].exists():
            told = _("The list has more than %(most)s rows. Filter it, and export its parts.")
            raise ValueError(told % {"most": f"{EXPORT_ROWS_MAX:,}"})
        return super().get_export_data(file_format, request, queryset, **kwargs)


class ListImportExportMixin(ListExportMixin, ImportExportMixin):
    """Import as well, for whoever may add and change; all rows of a file, or none."""

    import_form_class = SizedImportForm
    import_formats = ListExportMixin.formats
    tmp_storage_class = SignedStorage

    def has_import_permission(self, request: HttpRequest) -> bool:
        """Let import who may do each of its rows by hand."""
        return self.has_add_permission(request) and self.has_change_permission(request)  # type: ignore[attr-defined]

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        """Write nothing where a row has become wrong since the preview."""
        return {
            **super().get_import_data_kwargs(**kwargs),
            "rollback_on_validation_errors": True,
        }

    def process_result(self, result: Any, request: HttpRequest) -> HttpResponse:
        """Tell what was imported, or that nothing was."""
        if result.has_errors() or result.has_validation_errors():
            messages.error(
                request, _("Nothing was imported: something changed since the preview. Try again.")
            )
            app, model = self.get_model_info()
            return HttpResponseRedirect(reverse(f"admin:{app}_{model}_import"))
        return super().process_result(result, request)
