"""What speaks with the world outside, built from the settings: Moodle, the homeserver, people's accounts.

`Adapters` are there before anything that reads facts; what needs the facts of Moodle too comes with `MoodleDesk`. In a
dry run nothing of them writes.
"""

from __future__ import annotations

import aiohttp

from .accounts import accounts_from
from .config import Settings
from .domain.rules import Rules
from .dryrun import read_only
from .matrix.client import MatrixClient
from .matrix.survey import HomeserverSurvey
from .moodle.client import MoodleClient
from .moodle.functions import Functions
from .moodle.messages import MoodleMessages
from .moodle.pictures import MoodlePictureList, MoodlePictures
from .moodle.profile import ProfileField
from .ports import Clock, Facts, Observer
from .registration import Registration
from .store.books import Books


class Adapters:
    """Clients that share one session. `observer` is told of each request to Moodle."""

    def __init__(
        self,
        settings: Settings,
        registration: Registration,
        rules: Rules,
        store: Books,
        clock: Clock,
        *,
        session: aiohttp.ClientSession,
        observer: Observer,
        dry: bool,
    ) -> None:
        as_token = registration.as_token.get_secret_value()
        self.moodle = MoodleClient(
            settings.moodle.url,
            settings.moodle.token.get_secret_value(),
            session=session,
            concurrency=settings.moodle.concurrency,
            timeout=settings.moodle.timeout,
            max_bytes=settings.moodle.max_bytes,
            batch=settings.moodle.batch,
            requests_per_minute=settings.moodle.requests_per_minute,
            observer=observer,
        )
        self.matrix = MatrixClient(
            settings.homeserver.address,
            as_token,
            appservice_id=registration.id,
            bot=rules.bot,
            session=session,
            timeout=settings.homeserver.timeout,
        )
        self.homeserver = HomeserverSurvey(
            settings.homeserver.address, as_token, session=session, timeout=settings.homeserver.timeout
        )
        self.accounts = accounts_from(
            settings, registration, rules, session=session, store=store, clock=clock
        )
        if dry:
            self.matrix, self.accounts = read_only(self.matrix), read_only(self.accounts)


class MoodleDesk:
    """What concerns people of Moodle rather than its courses: their messages, a profile field, their pictures."""

    def __init__(
        self, settings: Settings, moodle: MoodleClient, facts: Facts, store: Books, clock: Clock, *, dry: bool
    ) -> None:
        functions = Functions(facts, clock)
        self.inbox = MoodleMessages(moodle, functions, store)
        self.profile = ProfileField(moodle, functions, settings.identity.profile_field)
        if dry:
            self.inbox, self.profile = read_only(self.inbox), read_only(self.profile)
        self.picture_list = MoodlePictureList(moodle, facts)
        self.pictures = MoodlePictures(moodle)
