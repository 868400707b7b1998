"""The examples in the table of all keys are values that the service takes, and others than hold anyway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.generate import example
from moodle_appservice.config import Key, keys, load
from moodle_appservice.config.keys import Kind
from moodle_appservice.config.structure import Different

EXAMPLES: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "docs" / "examples.yaml").read_text(encoding="utf-8")
)
ALWAYS = {key.name for key in keys() if key.required and key.kind is not Kind.SECTION}
TOGETHER = {
    "cluster.enabled": ["database"],
    "moodle.write_matrix_id": ["identity.profile_field"],
    "identity.profile_field_locked": ["identity.profile_field"],
    "life.export_after": ["life.export_folder"],
    "spaces.categories": ["spaces.site"],
    "relay.site": ["moodle.content_token"],
    "relay.on_courses": ["moodle.content_token"],
    "relay.on_categories": ["moodle.content_token"],
}
"""What else must be there for a key to be taken."""
PARTNERS = [
    {"homeserver.mas.address", "homeserver.mas.client_id", "homeserver.mas.client_secret"},
    {"web.lti.client_id", "web.lti.deployment_id"},
    {"identity.locked_since", "identity.profile_field_locked", "identity.profile_field"},
]
"""None of them is taken without the others."""
HOLDERS = [key for key in keys() if key.kind is not Kind.SECTION]


def loaded(folder: Path, values: dict[str, Any]) -> Any:
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *sections, last = name.split(".")
        place = tree
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = value
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    file.chmod(0o600)
    return load(file, {})


@pytest.mark.parametrize("key", HOLDERS, ids=lambda key: key.name)
def test_the_example_of_each_key_is_taken_and_changes_something(key: Key, tmp_path: Path) -> None:
    always = {name: EXAMPLES[name] for name in ALWAYS}
    partners = set().union(*(group for group in PARTNERS if key.name in group), TOGETHER.get(key.name, []))
    shown = {one.name: yaml.safe_load(example(one)) for one in HOLDERS if one.name in {key.name, *partners}}
    before = loaded(tmp_path, always) if not key.required else None
    after = loaded(tmp_path, always | shown)
    assert before != after, f"{key.name}: {example(key)} is what holds anyway"


def test_no_example_is_of_a_key_that_is_not_there() -> None:
    assert set(EXAMPLES) <= {key.name for key in HOLDERS}


def test_the_keys_that_may_differ_by_category_are_named() -> None:
    (described,) = [key.description for key in keys() if key.name == "rooms.categories"]
    named = described.partition("Keys that may differ: ")[2].removesuffix(".").split(", ")
    assert named == list(Different.model_fields)
