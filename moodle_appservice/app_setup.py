"""What `init` and `config migrate` do with the files of this installation.

Nothing is written before every answer is known and right; what exists is replaced only with --force, and a copy stays
beside it. `answered` asks, `write` writes, `next_steps` says who has to do what then.
"""

from __future__ import annotations

import difflib
import getpass
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from . import config, draft, privatefile, registration
from .cli_operations import Files
from .cli_setup import FLAGS, Init
from .config.migrate import migrated
from .config.renamed import RENAMES, Renames
from .draft import REGISTRATION, TOKEN, TOKEN_FILE, Question
from .errors import ConfigError, PermanentFailure, Problem, Refused
from .generate import homeserver_lines
from .moodle.bulk import BULK
from .moodle.shapes import NEEDED

_WORDS = "command line"
_NOTHING = "Nothing was written."


@dataclass(frozen=True, slots=True)
class Made:
    """What `write` has done: in sentences, where the registration is, and where Synapse will reach us."""

    said: list[str]
    registration: Path
    url: str


def answered(command: Init, environment: Mapping[str, str]) -> Init:
    """The command with every answer, asked for on a terminal where words do not say it.

    Raises `Refused` where a configuration exists, `ConfigError` where a word is wrong or missing.
    """
    path = command.files.config
    _room_for(path, force=command.force)
    answers = dict(command.answers)
    if TOKEN_FILE in answers:
        answers[TOKEN_FILE] = str(Path(answers[TOKEN_FILE]).absolute())
    if command.files.registration is not None:
        answers[REGISTRATION] = str(command.files.registration.absolute())
    if command.token_from_input:
        answers[TOKEN] = sys.stdin.readline().strip()
    _check_words(answers, path, environment)
    left = draft.missing(answers, environment)
    if any(question.required for question in left) and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConfigError([_missing(question) for question in left if question.required])
    try:
        _ask(left, answers, path, environment)
    except (KeyboardInterrupt, EOFError):
        raise Refused(f"\nStopped. {_NOTHING}") from None
    return replace(command, answers=answers)


def _room_for(path: Path, *, force: bool) -> None:
    folder = path.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise PermanentFailure(
            f"{folder} is no folder in which this user can write. {_NOTHING} Make it, or name another file with -c."
        )
    if path.exists() and not force:
        raise Refused(
            f"{path} exists already and was left as it is. To go on with it: moodle-appservice -g -c {path}; to "
            "replace it and keep a copy beside it: add --force; for another installation: name another file with -c."
        )


def _check_words(answers: Mapping[str, str], path: Path, environment: Mapping[str, str]) -> None:
    found: list[Problem] = []
    for name in answers:
        wrong = draft.problem(name, answers, path, environment)
        if wrong is not None:
            flag = FLAGS[name][0] if name in FLAGS else "--moodle-token-file" if name == TOKEN else "-r"
            found.append(Problem(_WORDS, None, flag, wrong.wrong, f"{wrong.right} {_NOTHING}"))
    if found:
        raise ConfigError(found)


def _missing(question: Question) -> Problem:
    flag, _, text = FLAGS[TOKEN_FILE if question.name == TOKEN else question.name]
    right = f"Add it: {text}. Or run this on a terminal, where it is asked for. {_NOTHING}"
    return Problem(_WORDS, None, flag, "it is missing", right)


def _ask(left: list[Question], answers: dict[str, str], path: Path, environment: Mapping[str, str]) -> None:
    asked = False
    for question in left:
        if not question.when(answers) or (not question.required and not sys.stdin.isatty()):
            continue
        if not asked:
            print(
                "An empty answer takes what stands in brackets. Ctrl-C ends; nothing is written before the end.\n"
            )
            asked = True
        answers[question.name] = _answer(question, answers, path, environment)


def _answer(
    question: Question, answers: Mapping[str, str], path: Path, environment: Mapping[str, str]
) -> str:
    proposal = question.proposal(answers)
    prompt = f"{question.text}{f' [{proposal}]' if proposal else ''}: "
    while True:
        given = (getpass.getpass(prompt) if question.secret else input(prompt)).strip() or proposal
        if not given:
            print("  It is needed.")
            continue
        wrong = draft.problem(question.name, {**answers, question.name: given}, path, environment)
        if wrong is None:
            return given
        print(f"  {wrong.wrong}. {wrong.right}")


def write(command: Init, environment: Mapping[str, str]) -> Made:
    """Write configuration and registration. Raises what keeps it from that, before anything was written."""
    path = command.files.config
    text = draft.filled(command.answers)
    settings = config.check(text, path, environment)
    target = settings.appservice.registration
    made = registration.make(
        site=settings.site, domain=settings.homeserver.domain, url=settings.appservice.url
    )
    fits = target.exists() and _fits(target, made, settings.site, settings.homeserver.domain)
    if target.exists() and not fits and not command.force:
        raise Refused(
            f"{target} exists already, and is not for this site, homeserver and address. It was left as it is. "
            f"{_NOTHING} To replace it and keep a copy beside it: add --force; for another installation: name another "
            "file with -r."
        )
    said = [*_put(path, text), "Only this user can read it; every key stands in it with an explanation."]
    if fits:
        said.append(f"Kept {target}, which fits.")
    else:
        said += _put(target, registration.render(made))
    return Made(said, target, settings.appservice.url)


def _fits(path: Path, made: registration.Registration, site: str, domain: str) -> bool:
    try:
        return registration.read(path, site=site, domain=domain).url == made.url
    except ConfigError:
        return False


def _put(path: Path, text: str) -> list[str]:
    if not path.exists():
        privatefile.write(path, text)
        return [f"Wrote {path}."]
    kept = privatefile.keep_beside(path)
    privatefile.write(path, text, force=True)
    return [f"Wrote {path}; the one before is {kept}."]


def next_steps(made: Made, path: Path) -> list[str]:
    """Who has to do what after `init`."""
    after = f" -c {path}"
    return [
        "Next, the administrator of Synapse:",
        f"  1. Let Synapse read {made.registration.absolute()}, or a copy of it, and nobody else.",
        "  2. Put these lines into homeserver.yaml:",
        *homeserver_lines(made.registration),
        f"  3. Restart Synapse. It will reach this service at {made.url}.",
        "The administrator of Moodle:",
        "  1. Let the service of the token hold the functions",
        *(f"       {name}" for name in NEEDED),
        f"       {BULK} (optional)",
        "  2. Give the role of its user the rights that `doctor` names. docs/setup-moodle.md has it click by click.",
        "Then:",
        f"  moodle-appservice doctor{after}   until all is well",
        f"  moodle-appservice plan{after}     shows what would be done",
        f"  moodle-appservice run{after}      does it",
    ]


def migrate(files: Files, environment: Mapping[str, str], *, yes: bool, renames: Renames = RENAMES) -> bool:
    """Show and write the present names of keys. False: a person did not want it."""
    path = files.config
    settings = config.load(path, environment, renames)
    text = path.read_text(encoding="utf-8")
    new = migrated(text, path, environment, renames)
    if new == text:
        print(f"{path} has no former names of keys: nothing to change.")
        return True
    print(_difference(path, text, new, settings.secrets()))
    if not yes and not _agreed():
        print(f"{path} was left as it is.", file=sys.stderr)
        return False
    kept = privatefile.keep_beside(path)
    privatefile.rewrite(path, new)
    print(
        f"Wrote {path}; the one before is {kept}. It means the same, so a running service need not be restarted."
    )
    return True


def _difference(path: Path, old: str, new: str, secrets: tuple[str, ...]) -> str:
    lines = difflib.unified_diff(
        old.splitlines(), new.splitlines(), str(path), f"{path}, with present names", lineterm=""
    )
    text = "\n".join(lines)
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


def _agreed() -> bool:
    if not sys.stdin.isatty():
        print("In a script, say so with --yes.", file=sys.stderr)
        return False
    return input("Write this? A copy of the file stays beside it. Write yes: ").strip().lower() == "yes"
