"""The pages of two-step sign-in. Those before the second step are for half-signed-in staff too."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import django_otp
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin import site
from django.contrib.auth import REDIRECT_FIELD_NAME, logout
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice

from apps.accounts.models import User
from apps.backoffice.two_step import services
from apps.backoffice.two_step.errors import TwoStepChanged
from apps.backoffice.two_step.forms import CodeForm, ReplaceForm, SetUpForm
from apps.backoffice.two_step.picture import draw_picture, spell_secret
from apps.backoffice.two_step.selectors import (
    count_recovery_codes,
    has_two_step,
    is_required,
    is_verified,
    owes_step,
)
from apps.core.clock import read_clock
from apps.core.errors import DomainError
from apps.core.throttles import address_of

View = Callable[..., HttpResponse]
# Where a session keeps the device that it is setting up.
BEGUN = "two_step_begun"


def for_staff(view: View) -> View:
    """Let every signed-in member of staff in, also one who has not taken the second step."""

    @wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not (request.user.is_active and request.user.is_staff):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        return view(request, *args, **kwargs)

    guarded: View = never_cache(csrf_protect(sensitive_post_parameters()(inner)))
    return guarded


@for_staff
def take_step(request: HttpRequest) -> HttpResponse:
    """Ask for the code after the password, then go where the member of staff was going."""
    target = _target_of(request)
    if not owes_step(request):
        return HttpResponseRedirect(target)
    user = _user_of(request)
    if not has_two_step(user.pk):
        return redirect("admin:two_step_set_up")
    form = CodeForm(request.POST or None, focus=True)
    if request.method == "POST" and form.is_valid():
        device = _check(request, form, "code")
        if device is not None:
            _verify_session(request, device)
            _warn_of_few_codes(request, device)
            return HttpResponseRedirect(target)
    context = {"title": _("Second step"), "form": form, "next": target}
    return _show(request, "admin/two_step/step.html", context)


@for_staff
@require_POST
def leave(request: HttpRequest) -> HttpResponse:
    """Sign a half-signed-in member of staff out."""
    logout(request)
    return redirect("admin:login")


@for_staff
def set_up(request: HttpRequest) -> HttpResponse:
    """Show the secret of a new authenticator, and confirm it by a code."""
    user = _user_of(request)
    replaces = has_two_step(user.pk)
    if replaces and not is_verified(request):
        return redirect("admin:two_step")
    form = (ReplaceForm if replaces else SetUpForm)(request.POST or None)
    if request.method == "POST" and form.is_valid():
        finished = _finish_set_up(request, form, replaces=replaces)
        if finished is not None:
            _verify_session(request, finished.device)
            return _show_codes(request, finished.recovery_codes, first=True)
    device = services.begin_set_up(user_id=user.pk, device_id=request.session.get(BEGUN))
    request.session[BEGUN] = device.pk
    context = {
        "title": _("Set up two-step sign-in"),
        "form": form,
        "picture": draw_picture(device),
        "secret": spell_secret(device),
        "account": user.get_username(),
        "issuer": settings.OTP_TOTP_ISSUER,
        "must": is_required() and not replaces,
        "replaces": replaces,
    }
    return _show(request, "admin/two_step/set_up.html", context)


def manage(request: HttpRequest) -> HttpResponse:
    """Show a member of staff what their sign-in asks for, and change it with a code."""
    user = _user_of(request)
    on = has_two_step(user.pk)
    form = CodeForm(request.POST or None)
    if request.method == "POST" and on and form.is_valid():
        removes = "remove" in request.POST
        if removes and is_required():
            raise PermissionDenied
        if _check(request, form, "code") is not None:
            if not removes:
                codes = services.renew_recovery_codes(user_id=user.pk)
                return _show_codes(request, codes, first=False)
            services.remove_two_step(user_id=user.pk)
            messages.success(request, _("Your sign-in asks for the password alone."))
            return redirect("admin:two_step_manage")
    context = {
        "title": _("Two-step sign-in"),
        "on": on,
        "form": form,
        "required": is_required(),
        "codes_left": count_recovery_codes(user.pk),
    }
    return _show(request, "admin/two_step/manage.html", context)


manage_page: View = never_cache(sensitive_post_parameters()(manage))


def _finish_set_up(
    request: HttpRequest, form: forms.Form, *, replaces: bool
) -> services.SetUp | None:
    """Return the finished set-up; None where the form has an error now."""
    if replaces and _check(request, form, "current_code") is None:
        return None
    try:
        return services.finish_set_up(
            user_id=_user_of(request).pk,
            device_id=request.session.get(BEGUN, 0),
            code=form.cleaned_data["code"].replace(" ", ""),
            replaces=replaces,
        )
    except TwoStepChanged as error:
        form.add_error(None, str(error.detail))
    except DomainError as error:
        form.add_error("code", str(error.detail))
    return None


def _check(request: HttpRequest, form: forms.Form, field: str) -> Device | None:
    """Return the device whose code is in a form's field; None where the field has an error now."""
    try:
        return services.check_code(
            user_id=_user_of(request).pk,
            code=form.cleaned_data[field],
            address=address_of(request),
            now=read_clock(),
        )
    except DomainError as error:
        form.add_error(field, str(error.detail))
        return None


def _verify_session(request: HttpRequest, device: Device) -> None:
    """Note that a session has taken the second step, under a new key: whoever knew the old stays out."""
    request.session.cycle_key()
    request.session.pop(BEGUN, None)
    django_otp.login(request, device)


def _warn_of_few_codes(request: HttpRequest, device: Device) -> None:
    if isinstance(device, StaticDevice):
        left = count_recovery_codes(_user_of(request).pk)
        text = ngettext(
            "%(left)d recovery code is left.", "%(left)d recovery codes are left.", left
        )
        messages.warning(request, text % {"left": left})


def _show_codes(request: HttpRequest, codes: list[str], *, first: bool) -> HttpResponse:
    shown = [f"{code[:4]}-{code[4:]}" for code in codes]
    context = {"title": _("Recovery codes"), "codes": shown, "first": first}
    return _show(request, "admin/two_step/codes.html", context)


def _show(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    return TemplateResponse(request, template, {**site.each_context(request), **context})


def _user_of(request: HttpRequest) -> User:
    assert isinstance(request.user, User), "whoever is not signed in is not let in"
    return request.user


def _target_of(request: HttpRequest) -> str:
    """Return where to go afterwards: what was asked for where it is ours, else the front page."""
    asked = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME, "")
    ours = url_has_allowed_host_and_scheme(
        asked, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return asked if asked and ours else reverse("admin:index")
