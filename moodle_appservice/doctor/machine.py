"""Checks of this machine: the files, their modes, the clock, the disk, and certificates of those we talk to.

They build on no other check and need neither the database nor a token. Of Moodle and the homeserver they look
only at the time in the header of an answer and at the certificate, of our own pages only at the certificate, and
only where there are pages. What will go wrong soon is a warning; what goes wrong already fails.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import ssl
import sys
import time
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from .. import __version__
from ..cli import Exit
from ..domain.moments import moment
from ..errors import PermanentFailure, Unreachable
from ..privatefile import is_open_to_all
from .examined import Examined
from .frame import Caution, Check

MIB = 2**20
LOW, TOO_LOW = 1024 * MIB, 100 * MIB
"""Free space on the disk of the database."""
SKEW, TOO_MUCH_SKEW = 30.0, 300.0
"""Seconds between two clocks: sign-ins from Moodle are refused when it is minutes."""
FEW_DAYS = 14
PATIENCE = 15.0
LONGEST_SOCKET = 100
"""Bytes in the path of a Unix socket; Linux takes 107."""


async def _configuration(at: Examined) -> str:
    remarks = [
        f"Read with a remark about {one.path} in {one.place}: {one.wrong}. {one.right}"
        for one in (*at.settings.warnings, *at.found.warnings)
    ]
    if remarks:
        raise Caution(" ".join(remarks))
    return f"Read without a remark, by version {__version__} on Python {platform.python_version()}."


async def _modes(at: Examined) -> str:
    database = at.settings.database.get_secret_value()
    files = [at.config, at.settings.appservice.registration]
    if database.startswith("sqlite:"):
        files.append(Path(database.removeprefix("sqlite:")))
    there = [one for one in files if one is not None and one.exists()]
    if wide := [str(one) for one in there if is_open_to_all(one)]:
        raise PermanentFailure(
            f"Everybody on this machine may read {', '.join(wide)}, which hold secrets or names."
        )
    return f"Only their owners read the {len(there)} files with secrets and names."


async def _socket(at: Examined) -> str:
    path = at.settings.control_socket
    if len(os.fsencode(path.absolute())) > LONGEST_SOCKET:
        raise PermanentFailure(f"The path of the control socket is too long for a socket: {path.absolute()}.")
    if not os.access(path.absolute().parent, os.W_OK):
        raise PermanentFailure(
            f"The folder of the control socket can't be written: {path.absolute().parent}."
        )
    return f"{path} {'is answered by the running service' if at.running else 'can be made'}."


def _folder(database: str) -> Path:
    """Where SQLite's file lies; for PostgreSQL, which may be elsewhere, the folder that we work in."""
    return (
        Path(database.removeprefix("sqlite:")).absolute().parent
        if database.startswith("sqlite:")
        else Path.cwd()
    )


async def _space(at: Examined) -> str:
    folder = _folder(at.settings.database.get_secret_value())
    free = shutil.disk_usage(folder).free
    said = f"{free // MIB} MiB are free in {folder}."
    if free < TOO_LOW:
        raise PermanentFailure(f"{said} A full disk stops everything.")
    if free < LOW:
        raise Caution(said)
    return said


def _clock(name: str, address: Callable[[Examined], str]) -> Callable[[Examined], Awaitable[str]]:
    async def compare(at: Examined) -> str:
        url = address(at)
        before = time.time()
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session,
                session.get(url, allow_redirects=False) as answer,
            ):
                told = answer.headers.get("Date", "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{url} did not answer ({type(error).__name__}).") from None
        try:
            theirs = parsedate_to_datetime(told).timestamp()
        except ValueError:
            return f"{name} does not tell the time."
        skew = theirs - (before + time.time()) / 2
        said = f"The clock of {name} differs from ours by {abs(skew):.0f} s."
        if abs(skew) > TOO_MUCH_SKEW:
            raise PermanentFailure(f"{said} Sign-ins and known ends of enrolments go wrong.")
        if abs(skew) > SKEW:
            raise Caution(said)
        return said

    return compare


def _certificate(name: str, address: Callable[[Examined], str]) -> Callable[[Examined], Awaitable[str]]:
    async def look(at: Examined) -> str:
        parts = urlsplit(address(at))
        if parts.scheme != "https" or parts.hostname is None:
            return f"{name} is reached without TLS."
        try:
            async with asyncio.timeout(PATIENCE):
                _, writer = await asyncio.open_connection(
                    parts.hostname, parts.port or 443, ssl=ssl.create_default_context()
                )
        except ssl.SSLCertVerificationError as error:
            raise PermanentFailure(
                f"The certificate of {parts.hostname} is not valid: {error.verify_message}."
            ) from None
        except (OSError, TimeoutError) as error:
            raise Unreachable(f"{parts.hostname} did not answer ({type(error).__name__}).") from None
        ends = ssl.cert_time_to_seconds(writer.get_extra_info("peercert")["notAfter"])
        writer.close()
        days = int((ends - time.time()) / 86400)
        said = f"The certificate of {parts.hostname} is good for {days} days, until {moment(ends)}."
        if days < FEW_DAYS:
            raise Caution(said)
        return said

    return look


def _moodle_url(at: Examined) -> str:
    return str(at.settings.moodle.url)


def _homeserver_url(at: Examined) -> str:
    return str(at.settings.homeserver.address)


def _public_url(at: Examined) -> str:
    return at.settings.web.public_url


def _has_pages(at: Examined) -> bool:
    return bool(at.settings.web.public_url)


async def _parts(_: Examined) -> str:
    if sys.flags.optimize:
        raise Caution("Python runs with -O, which leaves out checks of our own.")
    encoding = sys.getfilesystemencoding().lower()
    if encoding != "utf-8":
        raise Caution(f"Names of files are written as {encoding}, not as UTF-8.")
    return f"{platform.system()} {platform.release()}, names of files in UTF-8."


_RENEW = "Renew it, and let the server load the new one; then look again."
CHECKS = (
    Check(
        "Configuration",
        "The configuration and the registration are read without a warning.",
        _configuration,
        "Each sentence names the file, the line and what is right.",
        code=Exit.CONFIGURATION,
    ),
    Check(
        "Modes of files",
        "Nobody but their owner reads the configuration, the registration and the database.",
        _modes,
        "chmod 600 for each of them, and chown to the user of the service.",
        code=Exit.CONFIGURATION,
    ),
    Check(
        "Control socket",
        "The command line can reach the running service.",
        _socket,
        "Give `control_socket` a shorter path in a folder that the service may write.",
        code=Exit.CONFIGURATION,
    ),
    Check(
        "Machine",
        "Python and the system are set up as they should be.",
        _parts,
        "Set LANG to a UTF-8 locale.",
    ),
    Check(
        "Free space", "There is room on the disk of the database.", _space, "Make room, or move the database."
    ),
    Check(
        "Clock of Moodle",
        "Our clock and Moodle's agree.",
        _clock("Moodle", _moodle_url),
        "Run a time service such as chrony on both machines.",
        unreachable="Is Moodle there? See `moodle.url`.",
    ),
    Check(
        "Clock of the homeserver",
        "Our clock and the homeserver's agree.",
        _clock("the homeserver", _homeserver_url),
        "Run a time service such as chrony on both machines.",
        unreachable="Is Synapse running? See `homeserver.address`.",
    ),
    Check(
        "Certificate of Moodle",
        "It is valid, for two weeks at least.",
        _certificate("Moodle", _moodle_url),
        _RENEW,
    ),
    Check(
        "Certificate of the homeserver",
        "It is valid, for two weeks at least.",
        _certificate("The homeserver", _homeserver_url),
        _RENEW,
    ),
    Check(
        "Certificate of our pages",
        "It is valid, for two weeks at least.",
        _certificate("Our own address", _public_url),
        _RENEW,
        when=_has_pages,
    ),
)
