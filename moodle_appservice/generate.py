"""The first steps of a new installation (`-g`): an example configuration, then a registration made from it.

Each call does the next step and says what comes after it. Nothing that exists is overwritten; `force` replaces the
registration, whose tokens are then new ones, never the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from . import privatefile, registration
from .config import Settings, load
from .errors import ConfigError, Problem, Refused


def example_config() -> str:
    """The example configuration, as it is installed with the package."""
    return files("moodle_appservice").joinpath("example/config.yaml").read_text(encoding="utf-8")


def generate(
    config_path: Path, registration_path: Path | None, *, force: bool, environment: Mapping[str, str]
) -> list[str]:
    """Write what is missing; the answer is what to tell the administrator, line by line.

    Raises `ConfigError` where a configuration exists and is wrong, `Refused` where the registration exists.
    """
    said: list[str] = []
    is_new = not config_path.exists()
    if is_new:
        privatefile.write(config_path, example_config())
        said.append(f"Wrote {config_path}, an example with comments.")
    try:
        settings = load(config_path, environment)
    except ConfigError as error:
        if is_new and all(problem.file == str(config_path) for problem in error.problems):
            return [*said, *_fill_in(error.problems)]
        raise
    path = registration_path or settings.appservice.registration
    _write_registration(path, settings, force=force)
    return [*said, *_next_steps(path, config_path, settings)]


def _fill_in(problems: Sequence[Problem]) -> list[str]:
    return [
        f"Fill in these {len(problems)} keys in it, then run the same command again:",
        *(f"    line {problem.line}: {problem.path}" for problem in problems),
    ]


def _write_registration(path: Path, settings: Settings, *, force: bool) -> None:
    made = registration.make(
        site=settings.site, domain=settings.homeserver.domain, url=settings.appservice.url
    )
    try:
        registration.write(made, path, force=force)
    except Refused as error:
        raise Refused(
            f"{error} To make a new one with new tokens, add --force; Synapse then needs the new file and a restart."
        ) from None


def homeserver_lines(path: Path) -> list[str]:
    """What belongs into homeserver.yaml, indented for reading."""
    return ["       app_service_config_files:", f"         - {path.absolute()}"]


def _next_steps(path: Path, config_path: Path, settings: Settings) -> list[str]:
    steps = [
        f"Wrote {path} with new random tokens; only this user can read it.",
        "Next:",
        "1. Let Synapse read that file, or a copy of it, and name it in homeserver.yaml:",
        *homeserver_lines(path),
        f"   Synapse will reach this service at {settings.appservice.url}. If that is not so, set",
        "   appservice.address in the configuration and run the same command again with --force.",
        "2. Restart Synapse.",
        f"3. Run: moodle-appservice doctor -c {config_path}",
    ]
    if path.absolute() != settings.appservice.registration.absolute():
        steps.append(
            f"   with -r {path}, because appservice.registration is {settings.appservice.registration}."
        )
    return steps
