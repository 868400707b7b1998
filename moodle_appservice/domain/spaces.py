"""From the tree and Moodle's categories to what the space of the site, or of a category, should be.

It is a `DesiredRoom` like any other and planned like one. A space in the tree holds what hangs in it; one that is not
in the tree any more (its category is deleted, hidden from us, or no course below it is on) is kept, but emptied of what
is ours, taken out of the space above it, and lets nobody new in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .child_order import orders_of
from .mapping import MAX_NAME, MAX_TOPIC, DesiredRoom, cut
from .markers import alias_of, marker, stand_in
from .model import ActualRoom, Category, CategoryId, RoomId, SiteFacts
from .plan import CHILD, NAME, PARENT, TOPIC
from .power import BRIDGE, MARKER, Voice
from .rooms import SITE_SPACE, RoomKey, RoomKind
from .rules import Rules
from .tree import Tree, is_hidden
from .visitors import Visitors


@dataclass(frozen=True, slots=True)
class Grove:
    """The tree with what Moodle says of its places, and the rooms that there are."""

    site: SiteFacts
    tree: Tree
    ids: Mapping[RoomKey, RoomId]

    def waits_for(self, space: RoomKey) -> tuple[RoomKey, ...]:
        """The spaces that must be made before this one: that above it, and that whose members it lets in."""
        if space not in self.tree.spaces or space == SITE_SPACE:
            return ()
        needed = (self.tree.parents.get(space), SITE_SPACE if SITE_SPACE in self.tree.spaces else None)
        return tuple(dict.fromkeys(key for key in needed if key is not None and key not in self.ids))


def desired_space(
    space: RoomKey, grove: Grove, actual: ActualRoom | None, visitors: Visitors, rules: Rules
) -> DesiredRoom:
    """What a space above courses should be. `actual`: how it is, for the order of what hangs in it."""
    is_kept = space in grove.tree.spaces
    return DesiredRoom(
        key=space,
        alias=alias_of(space, rules),
        name=cut(_name(space, grove, rules), MAX_NAME) if is_kept else _said(actual, NAME),
        topic=cut(_topic(space, grove, rules), MAX_TOPIC) if is_kept else _said(actual, TOPIC),
        avatar="",
        members=visitors.members,
        notes=(),
        rules=rules,
        enrolled=visitors.people,
        belonging=visitors.people,
        treatments=visitors.treatments,
        state=_state(space, grove, rules),
        creation=_creation(rules),
        children=_children(space, grove, actual, rules),
        voice=Voice.NOBODY,
        is_listed=is_kept,
    )


def print_of_space(space: RoomKey, grove: Grove, people: object) -> int:
    """A number that changes when anything changes from which a space is planned; see `digest`.

    `people`: what is known of those whom the space concerns, as a hashable value.
    """
    tree = grove.tree
    category = grove.site.categories.get(CategoryId(space.owner))
    children = tree.spaces.get(space)
    parent = tree.parents.get(space)
    return hash(
        (
            space in tree.spaces,
            grove.site.site.name,
            _path(category, grove.site.categories) if category else (),
            (category.idnumber, is_hidden(category, grove.site.categories)) if category else None,
            (parent, parent and grove.ids.get(parent), grove.ids.get(SITE_SPACE)),
            None if children is None else tuple((child, grove.ids.get(child)) for child in children),
            people,
        )
    )


def _children(
    space: RoomKey, grove: Grove, actual: ActualRoom | None, rules: Rules
) -> dict[RoomId, dict[str, Any]]:
    """What hangs in the space. What is not made yet makes this space due when it is."""
    wanted = [grove.ids[child] for child in grove.tree.spaces.get(space, ()) if child in grove.ids]
    orders = orders_of(
        wanted, {room_id: actual.content(CHILD, room_id).get("order") for room_id in wanted} if actual else {}
    )
    return {room_id: {"via": [rules.domain], "order": orders[room_id]} for room_id in wanted}


def _state(space: RoomKey, grove: Grove, rules: Rules) -> dict[tuple[str, str], dict[str, Any]]:
    what = "site" if space == SITE_SPACE else f"category/{space.owner}"
    state: dict[tuple[str, str], dict[str, Any]] = {
        ("m.room.join_rules", ""): _join_rules(space, grove),
        ("m.room.history_visibility", ""): {"history_visibility": rules.history_visibility},
        ("m.room.guest_access", ""): {"guest_access": rules.guest_access},
        (MARKER, ""): marker(space, rules),
        (BRIDGE, f"org.moodle_appservice/{rules.site}/{what}"): {
            "bridgebot": rules.bot,
            "creator": rules.bot,
            "protocol": {"id": "moodle", "displayname": "Moodle", "external_url": rules.site_url},
            "channel": {"id": what, "external_url": _url(space, rules)},
        },
    }
    parent = grove.tree.parents.get(space)
    if parent is not None:
        room_id = grove.ids.get(parent, stand_in(parent))
        state[PARENT, room_id] = {"via": [rules.domain], "canonical": True}
    return state


def _join_rules(space: RoomKey, grove: Grove) -> dict[str, Any]:
    """Only that of a category lets people in, and not while Moodle hides it: its name would be seen."""
    categories = grove.site.categories
    category = categories.get(CategoryId(space.owner))
    is_open = (
        space.kind is RoomKind.CATEGORY
        and space in grove.tree.spaces
        and SITE_SPACE in grove.tree.spaces
        and category is not None
        and not is_hidden(category, categories)
    )
    if not is_open:
        return {"join_rule": "invite"}
    site = grove.ids.get(SITE_SPACE, stand_in(SITE_SPACE))
    return {"join_rule": "restricted", "allow": [{"type": "m.room_membership", "room_id": site}]}


def _creation(rules: Rules) -> dict[str, Any]:
    content: dict[str, Any] = {"m.federate": rules.federate, "type": "m.space"}
    if rules.additional_creators:
        content["additional_creators"] = list(rules.additional_creators)
    return content


def _name(space: RoomKey, grove: Grove, rules: Rules) -> str:
    return _fill(
        rules.spaces.site_name if space == SITE_SPACE else rules.spaces.category_name, space, grove, rules
    )


def _topic(space: RoomKey, grove: Grove, rules: Rules) -> str:
    return _fill(
        rules.spaces.site_topic if space == SITE_SPACE else rules.spaces.category_topic, space, grove, rules
    )


def _fill(template: str, space: RoomKey, grove: Grove, rules: Rules) -> str:
    category = grove.site.categories.get(CategoryId(space.owner)) if space != SITE_SPACE else None
    name = category.name if category else grove.site.site.name
    text = template.format(
        name=name or rules.site,
        path=" / ".join(_path(category, grove.site.categories)) if category else name,
        idnumber=category.idnumber if category else "",
        site=rules.site,
        url=_url(space, rules),
    )
    return " ".join(text.split())


def _path(category: Category, categories: Mapping[CategoryId, Category]) -> tuple[str, ...]:
    """The names from the top down, as far as they are shown to us."""
    return tuple(categories[number].name for number in category.path if number in categories)


def _url(space: RoomKey, rules: Rules) -> str:
    return (
        rules.site_url
        if space == SITE_SPACE
        else f"{rules.site_url}/course/index.php?categoryid={space.owner}"
    )


def _said(actual: ActualRoom | None, what: tuple[str, str]) -> str:
    event_type, key = what
    return str(actual.content(event_type).get(key, "")) if actual else ""
