"""From the configuration to `Rules`, by which the pure part of the house decides, and to how long things are kept.

The domain knows no settings: what it needs stands in `Rules`, built once, at the start, and never changed. Words
of the file become types here (a role, an id, a policy), and nothing is weighed. `ownrules` adds the rules of an
institution's own packages. The section `relay` has rules of its own, which `relaying` makes. `keep_from` alone is
asked again while the service runs, when the configuration is read anew (`reload`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .config import Settings
from .config.structure import KindSettings, differs
from .domain.drift import DriftRules, Policy
from .domain.model import CategoryId, CourseId, Role, Trust, UserId
from .domain.rooms import RoomKind
from .domain.rules import (
    DEFAULT_KINDS,
    AccountMode,
    AccountRules,
    FieldRules,
    IdentityRules,
    KindRules,
    LifeRules,
    PeopleRules,
    Rewrite,
    Rules,
    SafetyRules,
)
from .engine.retention import DAY, Keep
from .ownrules import own_rules, room_rules
from .registration import Registration


def rules_from(settings: Settings, registration: Registration) -> Rules:
    """What decides, from the configuration."""
    rules = Rules(
        site=settings.site,
        domain=settings.homeserver.domain,
        bot=registration.bot_user_id(settings.homeserver.domain),
        site_url=str(settings.moodle.url).rstrip("/"),
        inherited=settings.roles.inherited,
        how=settings.membership.how,
        room_rules=room_rules(),
        identity=identity_rules(settings),
        accounts=account_rules(settings),
        people=people_rules(settings),
        fields=field_rules(settings),
        safety=SafetyRules(**settings.safety.model_dump(exclude={"max_shrink"})),
        spaces=settings.spaces.rules,
        drift=drift_rules(settings),
        life=life_rules(settings),
    )
    return _with_rooms(rules, settings)


def _with_rooms(rules: Rules, settings: Settings) -> Rules:
    rooms = settings.rooms
    return replace(
        rules,
        room_version=rooms.version,
        new_courses=rooms.new_courses,
        existing_courses=rooms.existing_courses,
        allow_courses=frozenset(CourseId(number) for number in rooms.allow_courses),
        deny_courses=frozenset(CourseId(number) for number in rooms.deny_courses),
        allow_categories=frozenset(CategoryId(number) for number in rooms.allow_categories),
        deny_categories=frozenset(CategoryId(number) for number in rooms.deny_categories),
        name_template=rooms.name,
        topic_template=rooms.topic,
        levels={Role(name): level for name, level in rooms.levels.items()},
        join_rule=rooms.join_rule,
        history_visibility=rooms.history_visibility,
        guest_access=rooms.guest_access,
        federate=rooms.federate,
        calls=rooms.calls,
        moderators=rooms.moderators,
        layout=rooms.layout,
        announcements=rooms.announcements,
        staff=rooms.staff,
        groups=rooms.groups,
        groupings=frozenset(rooms.groupings),
        all_groups_roles=frozenset(Role(name) for name in rooms.all_groups_roles),
        invite=rooms.invite,
        avatar=rooms.avatar,
        strict=rooms.strict,
        members_may_invite=rooms.members_may_invite,
        extra_members={UserId(user): level for user, level in rooms.extra_members.items()},
        additional_creators=tuple(UserId(user) for user in rooms.additional_creators),
        encryption=rooms.encryption,
        retention=rooms.retention,
        kinds=kind_rules(settings),
        by_category={CategoryId(int(number)): differs(one) for number, one in rooms.categories.items()},
        by_course={CourseId(int(number)): differs(one) for number, one in rooms.courses.items()},
    )


def account_rules(settings: Settings) -> AccountRules:
    """How accounts come to be and what they are kept like."""
    accounts = settings.accounts
    return AccountRules(
        mode=AccountMode(accounts.mode),
        wait_for_account=accounts.wait_for_account,
        login=accounts.login,
        hand_out_password=accounts.hand_out_password,
        name_template=accounts.name,
        follow_name=accounts.follow_name,
        follow_avatar=accounts.follow_avatar,
        follow_email=accounts.follow_email,
    )


def people_rules(settings: Settings) -> PeopleRules:
    """Who is invited at all, and when."""
    return PeopleRules(
        exclude=frozenset(settings.people.exclude),
        on_suspend=settings.people.on_suspend,
        grace_period=settings.people.grace_period,
        when=settings.membership.when,
    )


def field_rules(settings: Settings) -> FieldRules:
    """The fields of a course by which teachers decide, and how their words are read."""
    fields, words = settings.rooms.fields, settings.rooms.field_words
    return FieldRules(
        enabled=fields.enabled,
        name=fields.name,
        topic=fields.topic,
        on_words=frozenset(word.casefold() for word in words.on),
        off_words=frozenset(word.casefold() for word in words.off),
    )


def life_rules(settings: Settings) -> LifeRules:
    """What the dates of a course mean for its rooms."""
    life = settings.life
    return LifeRules(
        before_start=life.before_start,
        hidden=life.hidden,
        read_only_after=life.read_only_after,
        archive_after=life.archive_after,
        archived_name=life.archived_name,
        export_after=life.export_after,
        purge_after=life.purge_after,
        when_deleted=life.when_deleted,
        when_unselected=life.when_unselected,
        grace_period=life.grace_period,
        release_to=tuple(UserId(user) for user in life.release_to),
    )


def drift_rules(settings: Settings) -> DriftRules:
    """What is done about changes that people make in rooms."""
    said = settings.drift.model_dump(exclude={"compare_every"})
    return DriftRules(**{name: Policy(word) for name, word in said.items()})


def identity_rules(settings: Settings) -> IdentityRules:
    """How people get their ids, with the institution's own rules."""
    identity = settings.identity
    return IdentityRules(
        profile_field=identity.profile_field,
        field_is_locked=identity.profile_field_locked,
        locked_since=identity.locked_since,
        template=identity.template,
        rewrite=tuple(Rewrite(pattern, new) for pattern, new in identity.rewrite.items()),
        same_directory_auth=frozenset(identity.same_directory_auth),
        by_email=identity.by_email,
        sso_provider=identity.sso.provider,
        external_id=identity.sso.external_id,
        trust_for_moderators=Trust(identity.trust_for_moderators),
        reserved=frozenset(identity.reserved),
        allowed_domains=frozenset(identity.allowed_domains),
        own_rules=own_rules(),
    )


def kind_rules(settings: Settings) -> Mapping[RoomKind, KindRules]:
    """What differs by the kind of a room; spaces above courses have a section of their own."""
    given = {RoomKind(name): _kind(one) for name, one in settings.rooms.kinds.items()}
    return {**DEFAULT_KINDS, **given}


def _kind(given: KindSettings) -> KindRules:
    return KindRules(
        name_template=given.name,
        topic_template=given.topic,
        levels={Role(name): level for name, level in given.levels.items()},
        powers=dict(given.powers),
    )


def keep_from(settings: Settings) -> Keep:
    """For how long what has happened is kept."""
    audit = settings.audit
    return Keep(
        audit=audit.keep_days * DAY or None,
        commands=audit.keep_commands_days * DAY,
        messages=audit.keep_messages_days * DAY,
        requests=audit.keep_requests_days * DAY,
        answerable=float(settings.bot.command_max_age),
    )
