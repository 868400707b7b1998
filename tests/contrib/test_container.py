"""The container image: its steps are replayed without a container engine, in a clean folder and as its own user.

The packages of the lock are copied from where the tests run instead of being fetched again; everything else is done as
the Dockerfile says: what it copies is all that the build sees, and what the lock names is all that the program finds.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from asyncio import create_subprocess_exec
from asyncio.subprocess import DEVNULL
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import distribution
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from packaging.markers import Marker

from moodle_appservice import __version__
from moodle_appservice.config import ENVIRONMENT_PREFIX, keys
from moodle_appservice.config.keys import variable
from moodle_appservice.web.health import Health

ROOT = Path(__file__).parents[2]
USER = 1337
TARGET = "/opt/moodle-appservice"
GOOD = {
    "SITE": "uni",
    "MOODLE__URL": "http://127.0.0.1:1",
    "MOODLE__TOKEN": "0123456789abcdef",
    "HOMESERVER__ADDRESS": "http://127.0.0.1:1",
    "HOMESERVER__DOMAIN": "example.org",
}


@dataclass(frozen=True)
class Step:
    """One instruction. `text`: what follows the word; `document`: what stands between <<'EOF' and EOF."""

    word: str
    text: str
    document: str = ""

    @property
    def words(self) -> list[str]:
        return [word for word in shlex.split(self.text) if not word.startswith("--")]


def stages() -> list[list[Step]]:
    """The instructions of each stage, the part before the first FROM left out."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"\\\n", " ", text)
    found: list[list[Step]] = []
    lines = iter(text.splitlines())
    for line in lines:
        word, _, rest = line.partition(" ")
        if not re.fullmatch(r"[A-Z]+", word):
            continue
        if word == "FROM":
            found.append([])
        document = ""
        if "<<'EOF'" in rest:
            document = "\n".join(iter(lines.__next__, "EOF")) + "\n"
        if found:
            found[-1].append(Step(word, rest, document))
    return found


def steps(word: str, stage: int = -1) -> list[Step]:
    return [step for step in stages()[stage] if step.word == word]


def locked() -> list[str]:
    """The packages of the image's lock that belong to this Python."""
    text = (ROOT / "requirements" / "cluster.txt").read_text(encoding="utf-8")
    found = re.findall(r"(?m)^([A-Za-z0-9_.-]+)==\S+(?: ; ([^\\\n]+))?", text)
    return [name for name, marker in found if not marker or Marker(marker.strip()).evaluate()]


def interpreter() -> str:
    """A Python like ours that the image's user can run too."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for one in (os.path.realpath(sys.executable), f"/usr/bin/{name}", f"/usr/local/bin/{name}"):
        try:
            subprocess.run([one, "-c", ""], check=True, cwd="/", **as_user())  # type: ignore[call-overload]
        except OSError:
            continue
        return one
    raise AssertionError(f"User {USER} can run no {name}: install one for all users.")


def as_user() -> dict[str, object]:
    """How to be the image's user, where we may be somebody else at all."""
    if os.geteuid() != 0:
        return {"capture_output": True}
    return {"user": USER, "group": USER, "extra_groups": [], "capture_output": True}


@dataclass(frozen=True)
class Image:
    """What the steps have made: the root, and the environment of its last stage."""

    root: Path

    def path(self, inside: str) -> Path:
        return self.root / inside.lstrip("/")

    @property
    def environment(self) -> dict[str, str]:
        words = [word for step in steps("ENV") for word in shlex.split(step.text)]
        given = dict(word.split("=", 1) for word in words)
        return {
            **given,
            "PATH": given["PATH"].replace(TARGET, str(self.path(TARGET))).replace("$PATH", "/usr/bin:/bin"),
        }

    def start(self, *words: str, volume: str = "/data", **settings: str) -> tuple[int, str]:
        """The entry point in its volume as the image's user; its code, and all that it said."""
        ran = subprocess.run(
            [self.path(json.loads(steps("ENTRYPOINT")[0].text)[0]), *words],
            cwd=self.path(volume),
            env={
                **self.environment,
                **{ENVIRONMENT_PREFIX + name: value for name, value in settings.items()},
            },
            **as_user(),  # type: ignore[call-overload]
        )
        return ran.returncode, (ran.stdout + ran.stderr).decode().replace(str(self.root), "")


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    """The steps of both stages, replayed."""
    # Not below pytest's own folder, which nobody else may enter.
    root = Path(tempfile.mkdtemp(prefix="image-"))
    root.chmod(0o755)
    try:
        made = Image(root)
        build(made)
        finish(made)
        yield made
    finally:
        shutil.rmtree(root)


def build(image: Image) -> None:
    """The first stage, with the packages of the lock copied in."""
    source = image.path("/source")
    source.mkdir()
    python = str(image.path(TARGET) / "bin" / "python")
    for step in stages()[0]:
        if step.word == "COPY":
            *names, target = step.words
            assert all(_is_sent(name) for name in names), f".dockerignore hides one of {names}"
            for name in names:
                _copy(ROOT / name, source / target)
        elif step.word == "RUN":
            match step.words:
                case ["python", "-m", "venv", target]:
                    made = [interpreter(), "-m", "venv", "--without-pip", str(image.path(target))]
                    subprocess.run(made, check=True)
                case [pip, "install", "-r", lock] if pip == f"{TARGET}/bin/pip":
                    assert "--require-hashes" in step.text and (source / lock).exists()
                    packages = subprocess.run(
                        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
                        check=True, capture_output=True, text=True,
                    ).stdout.strip()  # fmt: skip
                    for name in locked():
                        _copy_package(name, Path(packages))
                case [pip, "install", "."] if pip == f"{TARGET}/bin/pip":
                    _install(source, python)
                case other:
                    raise AssertionError(f"a step that this test does not know: {other}")


def _copy(what: Path, target: Path) -> None:
    if what.is_dir():
        shutil.copytree(what, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        target.mkdir(exist_ok=True)
        shutil.copy(what, target)


def _is_sent(name: str) -> bool:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    return any(fnmatch(name, one) for one in allowed)


def _copy_package(name: str, target: Path) -> None:
    found = distribution(name)
    for file in found.files or ():
        if ".." in file.parts:
            continue  # Its programs; the image runs ours alone.
        there, here = Path(str(found.locate_file(file))), target / file
        here.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(there, here)
        except OSError:
            # Another file system. With the times, by which Python knows that what it has compiled is up to date.
            shutil.copy2(there, here)


def _install(source: Path, python: str) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", "wheel", "."],
        cwd=source,
        check=True,
    )
    wheels = [str(path) for path in (source / "wheel").iterdir()]
    subprocess.run([*pip, "--python", python, "install", "--no-deps", "--no-index", *wheels], check=True)


def finish(image: Image) -> None:
    """The second stage; its user is known here by number alone."""
    made_user = "".join(step.text for step in steps("RUN"))
    assert f"groupadd --gid {USER} " in made_user and f"useradd --uid {USER} --gid {USER} " in made_user
    assert f"install -d -o {USER} -g {USER} -m 0700 /data" in made_user
    image.path("/data").mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(image.path("/data"), USER, USER)
    for step in steps("COPY"):
        if step.document:
            path = image.path(step.words[-1])
            path.parent.mkdir(parents=True)
            path.write_text(step.document, encoding="utf-8")
            path.chmod(0o755)


def outside(image: Image) -> dict[str, float]:
    return {
        str(path): path.stat().st_mtime
        for path in image.root.rglob("*")
        if not path.is_symlink() and image.path("/data") not in (path, *path.parents)
    }


def test_it_leads_from_an_empty_volume_to_a_service_and_says_each_time_what_to_do(image: Image) -> None:
    before = outside(image)
    data = image.path("/data")
    code, said = image.start()
    assert code == 0, said
    assert said.startswith("Wrote config.yaml, an example with comments.\nFill in these 5 keys in it")
    assert (data / "config.yaml").stat().st_mode & 0o777 == 0o600
    code, said = image.start()
    assert code == 2 and "still the text of the example" in said
    code, said = image.start(**GOOD)
    assert code == 0 and "Wrote /data/registration.yaml" in said and "app_service_config_files:" in said
    assert sorted(path.name for path in data.iterdir()) == ["config.yaml", "registration.yaml"]
    code, said = image.start(**GOOD)
    assert code == 3 and "127.0.0.1:1 did not answer" in said, said
    assert "/data/moodle-appservice.db" in "".join(str(path) for path in data.iterdir())
    if os.geteuid() == 0:
        assert {path.stat().st_uid for path in data.iterdir()} == {USER}
    assert outside(image) == before


def test_words_are_a_command_line(image: Image) -> None:
    assert image.start("--version") == (0, f"moodle-appservice {__version__}\n")


def test_the_extra_for_several_processes_is_there(image: Image) -> None:
    python = image.path(TARGET) / "bin" / "python"
    code = "import moodle_appservice.engine.queues.procrastinate, moodle_appservice.clustered"
    subprocess.run([python, "-c", code], check=True, cwd="/")
    missing = subprocess.run([python, "-c", "import pytest"], capture_output=True, cwd="/", check=False)
    assert missing.returncode != 0, "the image has more than its lock"


def test_a_volume_in_which_its_user_may_not_write_is_refused_with_what_to_do(image: Image) -> None:
    # As root made it: others may enter it, and write nothing.
    image.path("/foreign").mkdir(mode=0o555)
    code, said = image.start(volume="/foreign")
    assert code == 1
    assert said.startswith("/data is not writable for user ") and "belongs to 1337:1337" in said
    assert list(image.path("/foreign").iterdir()) == []
    image.path("/foreign").rmdir()


def test_it_is_built_in_two_stages_on_one_pinned_base() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"(?m)^ARG BASE=python:3\.\d+\.\d+-slim-[a-z]+$", text)
    assert [step.text for stage in stages() for step in stage if step.word == "FROM"] == [
        "${BASE} AS build",
        "${BASE}",
    ]
    assert steps("USER")[0].text == f"{USER}:{USER}"
    assert [step.text for step in steps("WORKDIR") + steps("VOLUME")] == ["/data", "/data"]


def test_its_port_its_health_check_and_its_variables_are_those_of_the_product(image: Image) -> None:
    environment = image.environment
    ours = {name for name in environment if name.startswith(ENVIRONMENT_PREFIX)}
    assert ours <= {variable(key.place) for key in keys()}
    port = environment[f"{ENVIRONMENT_PREFIX}APPSERVICE__PORT"]
    assert steps("EXPOSE")[0].text == port
    address = re.search(r"http://127\.0\.0\.1:(\d+)(/[\w/]+)", health_check()[2])
    assert address and address[1] == port
    assert address[2] in {route.path for route in Health().routes()}


def health_check() -> list[str]:
    words: list[str] = json.loads(steps("HEALTHCHECK")[0].text.partition("CMD ")[2])
    return words


async def test_the_health_check_says_whether_the_service_is_ready(image: Image) -> None:
    health = Health()
    app = web.Application()
    app.add_routes(health.routes())
    async with TestServer(app) as server:
        python, *words = health_check()
        port = image.environment[f"{ENVIRONMENT_PREFIX}APPSERVICE__PORT"]
        words = [word.replace(f":{port}/", f":{server.port}/") for word in words]

        async def code() -> int:
            program = image.path(TARGET) / "bin" / python
            ran = await create_subprocess_exec(str(program), *words, cwd="/", stderr=DEVNULL)
            return await ran.wait()

        assert await code() != 0, "not ready yet"
        health.ready = True
        assert await code() == 0
