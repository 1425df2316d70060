"""The operating-system user that PostgreSQL runs as: root may not run it, and becomes another.

That user often cannot walk to the files: a clone below `/root`, or a `mktemp -d` folder, has
mode 700 above it. The modes of such folders are their owner's business. Instead the child keeps one
capability of root's, to search folders and read files, and loses every other.
"""

import ctypes
import os
import pwd
import sys
from dataclasses import dataclass
from pathlib import Path

_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2

# Preferred first. Containers often withhold CAP_DAC_READ_SEARCH but grant CAP_DAC_OVERRIDE.
_CAPABILITIES = (None, CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE)
_USERS = ("postgres", "nobody")

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class IdentityError(Exception):
    """No user that may run PostgreSQL reaches its files."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A user to become, and the one capability to keep (`None` for none)."""

    uid: int
    gid: int
    name: str
    capability: int | None = None

    def assume(self) -> None:
        """Become this user for good, in a child between fork and exec. Raises `OSError`."""
        if self.capability is not None:
            # The change of user keeps capabilities with this, and access(2), by which PostgreSQL
            # looks for its own programs, minds them.
            _prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
        os.setgroups([self.gid])
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)
        if self.capability is not None:
            _keep_only(self.capability)
        if _libc is not None:
            _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def choose_identity(*, program: Path, folder: Path, owner: int | None = None) -> Identity | None:
    """Return whom to become so that `program` runs and `folder` can be entered; `None`: nobody.

    `owner` is the user id that owns the data already, if there is any. Raises `IdentityError`
    naming the folder in the way.
    """
    if os.geteuid() != 0:
        return None
    entry = _find_user(owner)
    failure = ""
    for capability in _CAPABILITIES:
        if capability is not None and _libc is None:
            continue
        identity = Identity(
            uid=entry.pw_uid, gid=entry.pw_gid, name=entry.pw_name, capability=capability
        )
        failure = _try_identity(identity, program, folder)
        if not failure:
            return identity
    raise IdentityError(
        f"PostgreSQL refuses to run as root, and as the user {entry.pw_name} it cannot work below "
        f"{_closed_folder(program, folder)} ({failure}). "
        "Run Encore as an ordinary user, or move it to a folder that others may enter."
    )


def _find_user(owner: int | None) -> pwd.struct_passwd:
    if owner:
        try:
            return pwd.getpwuid(owner)
        except KeyError:
            raise IdentityError(
                f"The database belongs to user id {owner}, which this system does not know."
            ) from None
    for name in _USERS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise IdentityError(
        "PostgreSQL refuses to run as root, and this system knows neither a user postgres "
        "nor a user nobody. Run Encore as an ordinary user."
    )


def _try_identity(identity: Identity, program: Path, folder: Path) -> str:
    """Let a child become `identity`, enter `folder`, run `program --version`; say what failed."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            silence = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(silence, stream)
            identity.assume()
            os.chdir(folder)
            if not os.access(program, os.X_OK):
                raise PermissionError(f"{program} cannot be executed")
            os.execv(program, [str(program), "--version"])
        except BaseException as error:
            os.write(write_end, (str(error) or type(error).__name__).encode()[:1000])
        finally:
            os._exit(127)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        failure = pipe.read().decode(errors="replace")
    _, status = os.waitpid(pid, 0)
    if failure or status == 0:
        return failure
    return f"{program.name} --version failed with wait status {status}"


def _closed_folder(program: Path, folder: Path) -> Path:
    """Return the topmost folder above the two paths that others may not enter."""
    for path in (program, folder / "postgres"):
        for parent in reversed(path.parents):
            if not parent.stat().st_mode & 0o001:
                return parent
    return folder


def _prctl(option: int, *arguments: int) -> None:
    if _libc is None:
        raise OSError("prctl is for Linux alone")
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    if _libc.prctl(option, *padded) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def _keep_only(capability: int) -> None:
    """Drop every capability but one, and let that one pass through exec."""
    assert _libc is not None
    mask = 1 << capability
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    # Effective, permitted, inheritable; the second triple is for capabilities above 31.
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    if _libc.capset(header, sets) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"capset: {os.strerror(number)}")
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)
