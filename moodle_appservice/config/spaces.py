"""The section `spaces`: spaces for the whole site and for categories, above the courses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from ..domain.model import CategoryId, CourseId
from ..domain.space_rules import SpaceRules
from ..problems import wrong
from .section import Section
from .values import Ids, placeholders

SITE_PLACEHOLDERS = frozenset({"name", "site", "url"})
CATEGORY_PLACEHOLDERS = SITE_PLACEHOLDERS | {"path", "idnumber"}
_DEEPEST = 50


def _depths(value: object) -> object:
    """`off`, `all`, or depths as a list or as a text with commas."""
    if isinstance(value, str):
        word = value.strip().lower()
        if word in ("off", "all"):
            return word
        value = [part for part in value.replace(",", " ").split() if part]
    right = "Write off, all, or the depths that have spaces, such as [1, 2]: 1 for the categories at the top."
    if not isinstance(value, Sequence) or not value:
        raise wrong("does not say which categories have spaces", right)
    texts = [str(part) for part in value]
    if not all(text.isascii() and text.isdigit() and 1 <= int(text) <= _DEEPEST for text in texts):
        raise wrong("does not say which categories have spaces", right)
    return tuple(sorted({int(text) for text in texts}))


def _site_template(value: str) -> str:
    placeholders(value, SITE_PLACEHOLDERS)
    return value


def _category_template(value: str) -> str:
    placeholders(value, CATEGORY_PLACEHOLDERS)
    return value


def _named(value: str) -> str:
    if not value.strip():
        raise wrong("is empty", "Write a text such as {name}.")
    return value


Depths = Annotated[Literal["off", "all"] | tuple[int, ...], BeforeValidator(_depths)]
SiteTemplate = Annotated[str, AfterValidator(_site_template)]
CategoryTemplate = Annotated[str, AfterValidator(_category_template)]


class Spaces(Section):
    """Spaces above the courses: for the whole site, and for categories below which a course has rooms."""

    site: bool = Field(default=False, description="Whether the whole site has a space.")
    categories: Depths = Field(
        default="off",
        description="Which categories have spaces: off, all, or their depths, such as [1, 2] (1: at the top). What is "
        "below a category without one hangs in the next space above. Needs spaces.site.",
    )
    without_categories: Ids = Field(
        default=(), description="Ids of categories that have no space themselves, whatever their depth."
    )
    without_courses: Ids = Field(
        default=(), description="Ids of courses that hang in no space of the site or of a category."
    )
    invite: Literal["members", "nobody"] = Field(
        default="members",
        description="Who is invited to the space of the site, once ever: members (whoever is in a room of a course) or "
        "nobody. Spaces of categories invite nobody; who is in that of the site may join them.",
    )
    site_name: Annotated[SiteTemplate, AfterValidator(_named)] = Field(
        default="{name}",
        description="The name of the site's space; placeholders: {name} (of the site in Moodle), {site}, {url}.",
    )
    site_topic: SiteTemplate = Field(
        default="{url}", description="The topic of the site's space; placeholders as in site_name."
    )
    category_name: Annotated[CategoryTemplate, AfterValidator(_named)] = Field(
        default="{name}",
        description="The names of the categories' spaces; placeholders: {name} (of the category), {path} (the names "
        "from the top down), {idnumber}, {site}, {url}.",
    )
    category_topic: CategoryTemplate = Field(
        default="{path} · {url}", description="Their topics; placeholders as in category_name."
    )

    @field_validator("categories")
    @classmethod
    def _can_be_entered(
        cls, value: Literal["off", "all"] | tuple[int, ...], info: ValidationInfo
    ) -> Literal["off", "all"] | tuple[int, ...]:
        if value != "off" and info.data.get("site") is False:
            raise wrong(
                "would make spaces that nobody can enter: they let in whoever is in the space of the site",
                "Set spaces.site to on, or spaces.categories to off.",
            )
        return value

    @property
    def rules(self) -> SpaceRules:
        """The same for the pure part of the house."""
        depths = () if self.categories == "off" else self.categories
        return SpaceRules(
            site=self.site,
            levels=None if depths == "all" else frozenset(int(depth) for depth in depths),
            without_categories=frozenset(CategoryId(number) for number in self.without_categories),
            without_courses=frozenset(CourseId(number) for number in self.without_courses),
            invite=self.invite,
            site_name=self.site_name,
            site_topic=self.site_topic,
            category_name=self.category_name,
            category_topic=self.category_topic,
        )
