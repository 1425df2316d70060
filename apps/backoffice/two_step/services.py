"""Setting up two-step sign-in, checking codes, and taking it away.

Codes are good for as long as django-otp's own clock says: half a minute, with one before and one after.
"""

from dataclasses import dataclass
from datetime import datetime

from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from apps.accounts.attempts import counted_attempt
from apps.accounts.models import User
from apps.backoffice.two_step.errors import CodeTooSoon, TwoStepChanged, TwoStepOff, WrongCode
from apps.core.audit import Actor, record_action
from apps.core.db import lock_row, lock_rows, transaction

RECOVERY_CODES = 10
NAME = "authenticator"
RECOVERY_NAME = "recovery codes"


@dataclass(frozen=True)
class SetUp:
    """What a finished set-up gives: the device, and the codes to keep, shown once."""

    device: TOTPDevice
    recovery_codes: list[str]


def begin_set_up(*, user_id: int, device_id: int | None) -> TOTPDevice:
    """Return the device that a session is setting up: `device_id`, or a new one in its place.

    A secret is shown to one session alone: whoever begins anew gets another, and what others have begun
    is void. Otherwise somebody with a stolen password could read the secret before its owner confirms it.
    """
    with transaction():
        lock_row(User.objects.filter(pk=user_id))
        begun = TOTPDevice.objects.filter(user_id=user_id, confirmed=False)
        device = begun.filter(pk=device_id).first()
        if device is None:
            begun.delete()
            device = TOTPDevice.objects.create(user_id=user_id, name=NAME, confirmed=False)
        return device


def finish_set_up(*, user_id: int, device_id: int, code: str, replaces: bool) -> SetUp:
    """Confirm a device by its first code, in place of any other, with new recovery codes.

    `replaces` says that the caller has checked a code of the one before. Raise `WrongCode`,
    `CodeTooSoon` or `TwoStepChanged`.
    """
    with transaction():
        lock_row(User.objects.filter(pk=user_id))
        devices = TOTPDevice.objects.filter(user_id=user_id)
        device = lock_row(devices.filter(pk=device_id, confirmed=False))
        if device is None or (not replaces and devices.filter(confirmed=True).exists()):
            raise TwoStepChanged
        _require_heard(device)
        good = device.verify_token(code)
        if good:
            devices.exclude(pk=device.pk).delete()
            device.confirmed = True
            device.save(update_fields=["confirmed"])
            codes = _make_recovery_codes(user_id)
    # A wrong code is counted on the device, so it must be committed first.
    if not good:
        raise WrongCode
    return SetUp(device, codes)


def check_code(*, user_id: int, code: str, address: str, now: datetime) -> Device:
    """Return the device that a code is of; each is accepted once.

    Wrong ones are counted like wrong passwords, and each device waits longer after each. Raise
    `WrongCode`, `CodeTooSoon` or `TooManyFailedSignIns`. The caller holds no transaction.
    """
    with counted_attempt(email=f"two-step {user_id}", address=address, now=now):
        code = code.strip().replace(" ", "").replace("-", "").lower()
        model = TOTPDevice if code.isdecimal() else StaticDevice
        with transaction():
            used = None
            for device in lock_rows(model.objects.filter(user_id=user_id, confirmed=True)):
                _require_heard(device)
                if device.verify_token(code):
                    used = device
        if used is None:
            raise WrongCode
    return used


def renew_recovery_codes(*, user_id: int) -> list[str]:
    """Return new recovery codes in place of those before. Raise `TwoStepOff` without two-step sign-in."""
    with transaction():
        lock_row(User.objects.filter(pk=user_id))
        if not TOTPDevice.objects.filter(user_id=user_id, confirmed=True).exists():
            raise TwoStepOff
        return _make_recovery_codes(user_id)


def remove_two_step(*, user_id: int) -> None:
    """Take two-step sign-in away, at a member of staff's own wish: a code of it was checked."""
    with transaction():
        _delete_devices(user_id)


def reset_two_step(*, user_id: int, actor: Actor, reason: str, now: datetime) -> int:
    """Take two-step sign-in away for who has lost it, and record why; return how many devices it had.

    Raise `InvalidRequest` without a reason, and `TwoStepOff` where there is nothing to take away.
    """
    with transaction():
        user = lock_row(User.objects.filter(pk=user_id))
        devices = TOTPDevice.objects.filter(user_id=user_id, confirmed=True).count()
        if user is None or not devices:
            raise TwoStepOff
        _delete_devices(user_id)
        record_action(
            actor=actor,
            action="reset_two_step",
            subject=user,
            reason=reason,
            before={"two_step": True},
            after={"two_step": False},
            now=now,
        )
        return devices


def _delete_devices(user_id: int) -> None:
    """Delete a user's devices of every kind. The caller holds a transaction."""
    TOTPDevice.objects.filter(user_id=user_id).delete()
    StaticDevice.objects.filter(user_id=user_id).delete()


def _make_recovery_codes(user_id: int) -> list[str]:
    """Put new recovery codes in place of the old. The caller holds the user's row."""
    StaticDevice.objects.filter(user_id=user_id).delete()
    device = StaticDevice.objects.create(user_id=user_id, name=RECOVERY_NAME)
    codes = [StaticToken.random_token() for _code in range(RECOVERY_CODES)]
    StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
    return codes


def _require_heard(device: Device) -> None:
    """Raise `CodeTooSoon` while a device waits after wrong codes."""
    heard, why = device.verify_is_allowed()
    if not heard:
        # The whole of its wait, counted from the last wrong code.
        wait = why["locked_until"] - device.throttling_failure_timestamp
        raise CodeTooSoon(retry_after_seconds=int(wait.total_seconds()))
