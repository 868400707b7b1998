"""What lies in contrib/: every file is read as its program reads it, and names only what this product really has."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from moodle_appservice import cli, registration
from moodle_appservice.cli import Run
from moodle_appservice.config import ENVIRONMENT_PREFIX, load
from moodle_appservice.web.health import Health
from moodle_appservice.web.throttle import LIMITS
from tests.docs.test_docs import fences

ROOT = Path(__file__).parents[2]
CONTRIB = ROOT / "contrib"
COMPOSE = CONTRIB / "compose"
PORT = 29301
USER = 1337
MOST_EXPOSED = 1.5
"""What `systemd-analyze security` may say of the unit; versions of it differ a little."""
READ_BY_SYNAPSE = """
import json, sys
import jsonschema
from synapse.config.homeserver import HomeServerConfig
from synapse.config.oidc import OIDC_PROVIDER_CONFIG_WITH_ID_SCHEMA
providers = json.loads(sys.argv.pop(1))
for one in providers:
    # Synapse itself reads providers only with an extra.
    jsonschema.validate(one, OIDC_PROVIDER_CONFIG_WITH_ID_SCHEMA)
config = HomeServerConfig.load_config("test", sys.argv[1:])
print(json.dumps({
    "database": config.database.databases[0].config["args"]["host"],
    "registrations": config.appservice.app_service_config_files,
    "callback": config.server.public_baseurl + "_synapse/client/oidc/callback",
}))
"""


def text_of(name: str) -> str:
    return (CONTRIB / name).read_text(encoding="utf-8")


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("path", sorted(CONTRIB.rglob("*.*")), ids=lambda path: path.name)
def test_every_file_of_data_can_be_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    if path.suffix == ".json":
        json.loads(text)
    elif path.suffix == ".yaml":
        assert all(isinstance(one, dict) for one in yaml.safe_load_all(text))


# systemd


def unit() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = lambda key: str(key)  # type: ignore[method-assign,assignment]
    parser.read_string(text_of("moodle-appservice.service"))
    return parser


def test_the_unit_starts_the_program_as_it_is_called() -> None:
    program, *words = unit()["Service"]["ExecStart"].split()
    assert program.endswith("/bin/moodle-appservice")
    command = cli.parse(words)
    assert isinstance(command, Run) and command.files.config == Path("/var/lib/moodle-appservice/config.yaml")
    # What a configuration names without a folder lies beside it, and the unit may write nowhere else.
    assert str(command.files.config.parent) == unit()["Service"]["WorkingDirectory"]
    assert command.files.config.parent == Path("/var/lib") / unit()["Service"]["StateDirectory"]
    assert unit()["Service"]["RestartPreventExitStatus"] == str(int(cli.Exit.CONFIGURATION))


def test_the_unit_is_hardened() -> None:
    service = unit()["Service"]
    assert service["ProtectSystem"] == "strict" and service["CapabilityBoundingSet"] == ""
    assert service["SystemCallArchitectures"] == "native" and service["UMask"] == "0077"
    assert service["RestrictAddressFamilies"].split() == ["AF_INET", "AF_INET6", "AF_UNIX"]
    switches = (
        *(
            "NoNewPrivileges",
            "ProtectHome",
            "PrivateTmp",
            "PrivateDevices",
            "PrivateUsers",
            "ProtectHostname",
        ),
        *("ProtectClock", "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs"),
        *("ProtectControlGroups", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID"),
        *("LockPersonality", "MemoryDenyWriteExecute", "RemoveIPC"),
    )
    assert [name for name in switches if service.get(name) != "true"] == []
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        return  # What it would weigh stands above.
    path = str(CONTRIB / "moodle-appservice.service")
    said = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", path],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    score = re.search(r"exposure level for \S+: ([\d.]+)", said)
    assert score and float(score[1]) <= MOST_EXPOSED, said


# Kubernetes


def kinds() -> dict[str, Mapping[str, Any]]:
    return {one["kind"]: one for one in yaml.safe_load_all(text_of("kubernetes/moodle-appservice.yaml"))}


def pod() -> Mapping[str, Any]:
    found: Mapping[str, Any] = kinds()["StatefulSet"]["spec"]["template"]["spec"]
    return found


def test_the_manifests_share_work_and_run_without_rights() -> None:
    spec = kinds()["StatefulSet"]["spec"]
    assert spec["replicas"] > 1
    labels = spec["selector"]["matchLabels"]
    for one in (spec["template"]["metadata"]["labels"], kinds()["Service"]["spec"]["selector"]):
        assert one == labels
    assert kinds()["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    (container,) = pod()["containers"]
    assert pod()["securityContext"]["runAsUser"] == USER and pod()["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_the_configuration_in_the_manifests_is_good_for_several_processes(tmp_path: Path) -> None:
    secrets, config = kinds()["Secret"]["stringData"], kinds()["ConfigMap"]["data"]["config.yaml"]
    (container,) = pod()["containers"]
    for name, text in secrets.items():
        written(tmp_path / "secrets" / name, text.replace("CHANGE-ME", "filled-in"))
    assert set(re.findall(r"/secrets/(\S+)", config)) == set(secrets)
    path = written(tmp_path / "config.yaml", config.replace("/secrets/", f"{tmp_path}/secrets/"))
    environment = {one["name"]: "moodle-appservice-0" for one in container["env"]}
    settings = load(path, environment)
    assert settings.cluster.enabled and settings.cluster.name == "moodle-appservice-0"
    assert settings.appservice.url == f"http://{kinds()['Service']['metadata']['name']}:{PORT}"
    mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
    volumes = {one["name"]: one for one in pod()["volumes"]}
    assert set(mounts.values()) <= set(volumes)
    assert str(settings.control_socket.parent) in mounts
    assert volumes["secrets"]["secret"]["secretName"] == kinds()["Secret"]["metadata"]["name"]
    assert volumes["secrets"]["secret"]["defaultMode"] & 0o007 == 0
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert ports == {"http": settings.appservice.port, "metrics": settings.web.metrics.port}
    assert isinstance(cli.parse(container["args"]), Run)


def test_the_probes_ask_where_the_product_answers() -> None:
    (container,) = pod()["containers"]
    answered = {route.path for route in Health().routes()}
    for name, path in (("startup", "live"), ("liveness", "live"), ("readiness", "ready")):
        asked = container[f"{name}Probe"]["httpGet"]
        assert asked == {"path": f"/_matrix/mau/{path}", "port": "http"} and asked["path"] in answered


# Compose


def compose() -> Mapping[str, Any]:
    found: Mapping[str, Any] = yaml.safe_load(text_of("compose/compose.yaml"))
    return found


def example_environment() -> dict[str, str]:
    lines = (COMPOSE / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def with_values(text: str) -> str:
    values = {name: value or f"a-secret-of-{name.lower()}" for name, value in example_environment().items()}
    return re.sub(r"\$\{(\w+)[^}]*\}", lambda match: values[match[1]], text)


def test_the_example_of_env_explains_every_variable_of_compose_and_no_other() -> None:
    text = text_of("compose/compose.yaml")
    used = set(re.findall(r"\$\{(\w+)", text)) | {one["environment"] for one in compose()["secrets"].values()}
    assert used == set(example_environment())


def test_every_file_that_compose_mounts_exists_and_every_volume_is_declared() -> None:
    for name, service in compose()["services"].items():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            assert (
                (COMPOSE / source).is_file() if source.startswith(".") else source in compose()["volumes"]
            ), name
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name} would be open to the world"
    assert (
        (COMPOSE / compose()["services"]["moodle-appservice"]["build"]["context"] / "Dockerfile")
        .resolve()
        .exists()
    )


def test_our_service_in_compose_is_configured_whole_and_may_write_nowhere_else(tmp_path: Path) -> None:
    service = compose()["services"]["moodle-appservice"]
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    environment = {name: with_values(value) for name, value in service["environment"].items()}
    assert all(name.startswith(ENVIRONMENT_PREFIX) for name in environment)
    settings = load(written(tmp_path / "config.yaml", "site: CHANGE-ME\n"), environment)
    services = compose()["services"]
    assert settings.appservice.url == f"http://moodle-appservice:{PORT}"
    assert settings.homeserver.address == "http://synapse:8008"
    assert settings.homeserver.domain == with_values(
        services["synapse"]["environment"]["SYNAPSE_SERVER_NAME"]
    )
    assert settings.moodle.url == services["moodle"]["environment"]["SITE_URL"]
    assert (
        settings.moodle.url.removeprefix("http://").split(":")[0]
        in services["moodle"]["networks"]["default"]["aliases"]
    )
    assert "moodle_appservice" in (COMPOSE / "databases.sql").read_text()


def test_no_container_that_is_read_only_is_to_be_given_a_secret_from_a_variable() -> None:
    """Compose copies such a secret into the container's own files, and refuses to where these are read-only."""
    from_variables = {name for name, one in compose()["secrets"].items() if "environment" in one}
    assert from_variables
    refused = {
        name
        for name, service in compose()["services"].items()
        if service.get("read_only") and from_variables & set(service.get("secrets", ()))
    }
    assert refused == set()


def test_every_database_in_compose_is_made() -> None:
    sql = (COMPOSE / "databases.sql").read_text(encoding="utf-8")
    made = set(re.findall(r"CREATE DATABASE (\w+) OWNER \1;", sql))
    assert (
        made
        == set(re.findall(r"CREATE ROLE (\w+) LOGIN", sql))
        == {"synapse", "keycloak", "moodle", "moodle_appservice"}
    )


def generated(folder: Path) -> Path:
    """What Synapse makes for itself, in so far as it must be there."""
    written(folder / "key", "ed25519 a_abcd EOQuQZKFKTBTqvQPcLTGMOqTO6zrZRAmxqEGm7fGbwM\n")
    lines = (
        "server_name: localhost",
        "report_stats: false",
        f"media_store_path: {folder}/media",
        f"signing_key_path: {folder}/key",
        "macaroon_secret_key: a",
        "trusted_key_servers: []",
        "database: {name: sqlite3, args: {database: ':memory:'}}",
        "listeners: [{port: 8008, type: http, resources: [{names: [client]}]}]",
    )
    return written(folder / "a.yaml", "\n".join(lines))


def snippet(begins: str) -> str:
    """The one piece of another program's configuration on the page about Synapse that begins with this key."""
    pieces = [one.text for one in fences("console", "yaml") if one.page.name == "setup-synapse.md"]
    (found,) = [text for text in pieces if text.startswith(f"{begins}:")]
    return found


def test_what_the_page_says_for_the_authentication_service_is_what_it_says_for_ours() -> None:
    theirs = yaml.safe_load(snippet("clients"))
    (client,) = theirs["clients"]
    pieces = [one.text for one in fences("yaml") if one.page.name == "setup-synapse.md"]
    settings = [yaml.safe_load(text).get("homeserver", {}) for text in pieces]
    (ours,) = [one["mas"] for one in settings if "mas" in one]
    assert client["client_id"] == ours["client_id"] == theirs["policy"]["data"]["admin_clients"][0]
    assert client["client_auth_method"] == "client_secret_basic" and client["client_secret"]
    # A ULID (Crockford's letters, 26 of them): MAS takes no other id.
    for ulid in (client["client_id"], ours["provider"]):
        assert re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", ulid)


def test_the_playbook_mounts_the_registration_that_it_names() -> None:
    said = yaml.safe_load(snippet("matrix_synapse_container_additional_volumes"))
    (volume,) = said["matrix_synapse_container_additional_volumes"]
    assert said["matrix_synapse_app_service_config_files"] == [volume["dst"]]
    page = (ROOT / "docs" / "setup-synapse.md").read_text(encoding="utf-8")
    assert f"copy it to `{volume['src']}`" in page and volume["options"] == "ro"


def test_synapse_of_the_lock_reads_what_the_page_says_for_homeserver_yaml(tmp_path: Path) -> None:
    keys = (
        "app_service_config_files",
        "notify_appservices_from_worker",
        "encryption_enabled_by_default_for_room_type",
    )
    said = "".join(snippet(key) for key in keys)
    made = registration.make(site="campus", domain="localhost", url=f"http://127.0.0.1:{PORT}")
    path = str(written(tmp_path / "registration.yaml", registration.render(made)))
    second = written(tmp_path / "b.yaml", said.replace("/etc/matrix-synapse/moodle.yaml", path))
    program = (
        "import json, sys; from synapse.config.homeserver import HomeServerConfig as C; "
        "c = C.load_config('test', sys.argv[1:]); "
        "print(json.dumps([c.appservice.app_service_config_files, c.worker.should_notify_appservices]))"
    )
    files = ["-c", str(generated(tmp_path)), "-c", str(second)]
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *files], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    # The main process hands the pushes to the worker that is named.
    assert json.loads(ran.stdout) == [[path], False]


def test_synapse_of_the_lock_reads_the_configuration_of_compose(tmp_path: Path) -> None:
    synapse = compose()["services"]["synapse"]
    lock = (ROOT / "requirements" / "test.txt").read_text(encoding="utf-8")
    version = re.search(r"(?m)^matrix-synapse==(\S+)", lock)
    assert version and synapse["image"].endswith(f":v{version[1]}")
    made = registration.make(site="campus", domain="localhost", url=f"http://moodle-appservice:{PORT}")
    written(tmp_path / "registration.yaml", registration.render(made))
    written(tmp_path / "secret", "a-secret")
    extra = text_of("compose/synapse.yaml")
    for inside, here in (
        ("/registration/registration.yaml", "registration.yaml"),
        (f"/run/secrets/{synapse['secrets'][0]}", "secret"),
    ):
        assert inside in extra
        extra = extra.replace(inside, str(tmp_path / here))
    whole = yaml.safe_load(extra)
    (provider,) = whole["oidc_providers"]
    rest = yaml.safe_dump({name: value for name, value in whole.items() if name != "oidc_providers"})
    first, second = generated(tmp_path), written(tmp_path / "b.yaml", rest)
    read = [sys.executable, "-W", "ignore", "-c", READ_BY_SYNAPSE, json.dumps([provider])]
    read += ["-c", str(first), "-c", str(second)]
    ran = subprocess.run(read, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    realm = json.loads(text_of("compose/keycloak-realm.json"))
    (client,) = realm["clients"]
    issuer = f"{compose()['services']['keycloak']['environment']['KC_HOSTNAME']}/realms/{realm['realm']}"
    assert found == {
        "database": "postgres",
        "registrations": [str(tmp_path / "registration.yaml")],
        "callback": client["redirectUris"][0],
    }
    assert (provider["client_id"], provider["issuer"]) == (client["clientId"], issuer)
    assert provider["client_secret_path"] == str(tmp_path / "secret")
    assert client["secret"] == "${KEYCLOAK_CLIENT_SECRET}"


def test_every_part_of_the_house_is_in_compose() -> None:
    assert set(compose()["services"]) == {
        "postgres", "keycloak", "moodle", "synapse", "element", "moodle-appservice"
    }  # fmt: skip
    element = json.loads(text_of("compose/element.json"))
    assert element["default_server_config"]["m.homeserver"]["base_url"] == "http://localhost:8008"


# Proxies: which paths are let through is tested beside the pages, in tests/web.


@pytest.mark.parametrize("name", ["nginx.conf", "Caddyfile"])
def test_the_proxies_hand_on_to_our_port_and_take_what_we_take(name: str) -> None:
    text = text_of(name)
    assert set(re.findall(r"127\.0\.0\.1:(\d+)", text)) == {str(PORT)}
    most = max(limit.body or 0 for limit in LIMITS if not limit.path.startswith("/_matrix"))
    size = re.search(r"(?:client_max_body_size|max_size) (\d+)", text)
    assert size and int(size[1]) * 1024 == most
    assert text.count("{") == text.count("}")


@pytest.mark.parametrize(
    ("name", "begins"), [("nginx.conf", "server {"), ("Caddyfile", "chat.example.org {")]
)
def test_what_the_page_says_to_the_proxy_is_part_of_what_is_ready_made(name: str, begins: str) -> None:
    page = (ROOT / "docs" / "lti.md").read_text(encoding="utf-8")
    said = next(one for one in re.findall(r"(?s)```\w*\n(.*?)```", page) if one.startswith(begins))
    lines = {line.split("#")[0].strip() for line in said.splitlines()} - {""}
    whole = {line.strip() for line in text_of(name).splitlines()}
    assert len(lines) > 4 and lines <= whole, lines - whole
