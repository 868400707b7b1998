"""The software bill of materials of a release, as CycloneDX: every package of the lock with version, licence, hashes.

`python -m release.sbom > build/sbom.json`, with the packages of `requirements/run.txt` installed. A package of the lock
that is not installed here, or in another version, is an error: then the list would not be true.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from moodle_appservice import __version__

LOCK = Path(__file__).parents[1] / "requirements" / "run.txt"
_PACKAGE = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s\\;]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def locked(text: str) -> dict[str, tuple[str, list[str]]]:
    """Name → version and SHA-256 hashes, as a requirements file with hashes has them."""
    found: dict[str, tuple[str, list[str]]] = {}
    name = ""
    for line in text.splitlines():
        package = _PACKAGE.match(line)
        if package:
            name = package[1].lower().replace("_", "-")
            found[name] = (package[2], [])
        for digest in _HASH.findall(line):
            found[name][1].append(digest)
    return found


def bill(lock: str) -> dict[str, Any]:
    """The list as an object. Raises `ValueError` where the lock and what is installed differ."""
    components = [
        _component(name, version, hashes) for name, (version, hashes) in sorted(locked(lock).items())
    ]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, lock)}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": "moodle-appservice",
                "version": __version__,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
                "purl": f"pkg:pypi/moodle-appservice@{__version__}",
            }
        },
        "components": components,
    }


def _component(name: str, version: str, hashes: list[str]) -> dict[str, Any]:
    try:
        installed = distribution(name)
    except PackageNotFoundError:
        raise ValueError(f"{name} stands in the lock and is not installed.") from None
    if installed.version != version:
        raise ValueError(f"{name} is installed in version {installed.version}, the lock says {version}.")
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "licenses": [{"license": {"name": _licence(installed)}}],
        "properties": [{"name": "sha256 of a file of this release", "value": digest} for digest in hashes],
    }


def _licence(installed: Distribution) -> str:
    told = installed.metadata
    texts = [*(told.get_all("License-Expression") or ()), *(told.get_all("License") or ())]
    given = next((text for text in texts if text), "")
    classes = [one for one in told.get_all("Classifier") or () if one.startswith("License ::")]
    named = ", ".join(one.rpartition(" :: ")[2] for one in classes)
    return " ".join(given.split())[:80] or named or "not told"


def main() -> int:
    try:
        made = bill(LOCK.read_text(encoding="utf-8"))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(made, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
