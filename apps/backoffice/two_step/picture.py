"""The picture that an authenticator scans."""

from base64 import b32encode
from dataclasses import dataclass

from django_otp.plugins.otp_totp.models import TOTPDevice
from qrcode import QRCode

# The quiet zone that the standard asks for around the code, in modules.
BORDER = 4
GROUP = 4


@dataclass(frozen=True)
class Picture:
    """A QR code as the `d` of one SVG path, in a square of `size` units."""

    size: int
    path: str


def draw_picture(device: TOTPDevice) -> Picture:
    """Return the QR code of a device's secret."""
    code = QRCode(border=BORDER)
    code.add_data(device.config_url)
    rows = code.get_matrix()
    path = "".join(
        f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark
    )
    return Picture(size=len(rows), path=path)


def spell_secret(device: TOTPDevice) -> str:
    """Return the secret as people type it, in groups of four."""
    text = b32encode(device.bin_key).decode()
    return " ".join(text[start : start + GROUP] for start in range(0, len(text), GROUP))
