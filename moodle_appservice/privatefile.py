"""Files that hold secrets: written so that only their owner reads them, never over an existing one by accident."""

from __future__ import annotations

import errno
import itertools
import os
import stat
import tempfile
from pathlib import Path

from .errors import PermanentFailure, Refused

_OWNER_ONLY = 0o600
# File systems that know no second name of a file, such as those of memory sticks and some shares.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})
# Container engines put secrets there readable to all inside the container, which is then the fence.
_CONTAINER_SECRETS = Path("/run/secrets")


def is_open_to_all(path: Path) -> bool:
    """Whether every user of the machine may read the file. Secrets that a container engine provides never count."""
    if path.resolve().is_relative_to(_CONTAINER_SECRETS):
        return False
    return bool(path.stat().st_mode & stat.S_IROTH)


def write(path: Path, text: str, *, force: bool = False) -> None:
    """Write a new file with mode 0600. Raises `Refused` where there is one; `force` replaces it in one step."""
    try:
        if force:
            _replace(path, text)
        else:
            _create(path, text)
    except FileExistsError:
        raise Refused(f"{path} exists already and was left as it is.") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise PermanentFailure(
            f"{path} could not be written: {reason}. Nothing was changed. "
            "Make the folder, or let this user write in it."
        ) from error


def rewrite(path: Path, text: str) -> None:
    """Replace the text of a file in one step; its owner and its mode stay. Raises what `write` raises."""
    real = path.resolve()
    try:
        _replace(real, text, like=real.stat())
    except OSError as error:
        raise PermanentFailure(
            f"{path} could not be written: {error.strerror or type(error).__name__}. It was left as it is. "
            "Do it as the user to whom the file belongs."
        ) from error


def keep_beside(path: Path) -> Path:
    """Copy a file to a free name beside it, such as `config.yaml.bak`; returns that. Raises what `write` raises."""
    text = path.read_text(encoding="utf-8")
    for number in itertools.count(1):
        kept = path.with_name(f"{path.name}.bak{number if number > 1 else ''}")
        try:
            write(kept, text)
        except Refused:
            continue
        return kept
    raise AssertionError("unreachable: numbers do not end")


def _create(path: Path, text: str) -> None:
    """In one step too: half a file would look like a whole one at the next start."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        _fill(descriptor, text)
        os.link(name, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _create_slowly(path, text)
    finally:
        Path(name).unlink(missing_ok=True)


def _create_slowly(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    try:
        _fill(descriptor, text)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _replace(path: Path, text: str, like: os.stat_result | None = None) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        if like is not None and os.geteuid() == 0:
            # Before the mode, which a change of the owner may take bits from.
            os.fchown(descriptor, like.st_uid, like.st_gid)
        os.fchmod(descriptor, _OWNER_ONLY if like is None else stat.S_IMODE(like.st_mode))
        _fill(descriptor, text)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _fill(descriptor: int, text: str) -> None:
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
