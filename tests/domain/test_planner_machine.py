"""The planner over time: whatever happens in Moodle and in the room, each plan that is carried out brings the room
closer to what Moodle says, and a plan that was carried out whole leaves nothing to do. Nobody is removed who belongs.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from moodle_appservice.domain.actions import Ban, Invite, Plan, Remove, SetPower, SetState
from moodle_appservice.domain.ledger import Ledger
from moodle_appservice.domain.model import ActualMember, ActualRoom, Membership, MoodleUserId, UserId
from moodle_appservice.domain.plan import plan_room
from tests.domain import values
from tests.domain.test_safety import desired, people, room, user

NUMBERS = st.integers(1, 5)
STRANGER = UserId("@guest:else.test")
PRESENT = (Membership.INVITE, Membership.JOIN)


class PlannerMachine(RuleBasedStateMachine):
    """One room. `roles` is what Moodle says, `ledger` what the books hold, `room` what the homeserver has."""

    @initialize()
    def begin(self) -> None:
        self.decided = values.rules({})
        self.roles: dict[int, str] = {}
        self.ledger = Ledger()
        self.room: ActualRoom = room([], self.decided, desired(people(range(0)), self.decided))
        self.ever_placed: set[UserId] = set()

    def plan(self) -> Plan:
        wanted = desired(
            {number: people(range(number, number + 1), role)[number] for number, role in self.roles.items()},
            self.decided,
        )
        known = {user(number): MoodleUserId(number) for number in range(1, 6)}
        return plan_room(wanted, self.room, self.ledger, known, self.decided)

    def _member(self, who: UserId, membership: Membership, by: UserId) -> None:
        members = {**self.room.members, who: ActualMember(membership, by)}
        self.room = replace(self.room, members=members)

    # What happens in Moodle and in the room

    @rule(number=NUMBERS, role=st.sampled_from(["student", "teacher", "editingteacher"]))
    def enrol(self, number: int, role: str) -> None:
        self.roles[number] = role

    @rule(number=NUMBERS)
    def leave_course(self, number: int) -> None:
        self.roles.pop(number, None)

    @rule(number=NUMBERS)
    def accept(self, number: int) -> None:
        here = self.room.members.get(user(number))
        if here is not None and here.membership is Membership.INVITE:
            self._member(user(number), Membership.JOIN, user(number))

    @rule(number=NUMBERS)
    def leave_room(self, number: int) -> None:
        here = self.room.members.get(user(number))
        if here is not None and here.membership in PRESENT:
            self._member(user(number), Membership.LEAVE, user(number))

    @rule(number=NUMBERS, banned=st.booleans())
    def put_out(self, number: int, banned: bool) -> None:
        if user(number) in self.room.members:
            self._member(user(number), Membership.BAN if banned else Membership.LEAVE, STRANGER)

    @rule(level=st.integers(-5, 90), number=NUMBERS)
    def give_level(self, level: int, number: int) -> None:
        power = dict(self.room.content("m.room.power_levels"))
        power["users"] = {**power.get("users", {}), user(number): level}
        self.room = replace(self.room, state={**self.room.state, ("m.room.power_levels", ""): power})

    @rule()
    def a_guest_comes(self) -> None:
        self._member(STRANGER, Membership.JOIN, STRANGER)

    @rule()
    def carry_out_the_plan(self) -> None:
        plan = self.plan()
        for action in plan.actions:
            match action:
                case Remove(who, person) | Ban(who, person):
                    assert person not in self.roles, f"{who} belongs and is removed"
                    assert who in self.ever_placed, f"{who} never had a place of ours"
                    self._member(who, Membership.LEAVE, self.decided.bot)
                    self.ledger = replace(self.ledger, places=self.ledger.places - {who})
                case Invite(who):
                    self._member(who, Membership.INVITE, self.decided.bot)
                    self.ledger = replace(self.ledger, places=self.ledger.places | {who})
                    self.ever_placed.add(who)
                case SetPower(content, levels):
                    self.room = replace(
                        self.room, state={**self.room.state, ("m.room.power_levels", ""): content}
                    )
                    self.ledger = replace(self.ledger, levels=levels)
                case SetState(event_type, key, content):
                    self.room = replace(self.room, state={**self.room.state, (event_type, key): content})
        found = plan.bookings
        self.ever_placed |= set(found.found)
        self.ledger = replace(self.ledger, places=(self.ledger.places | set(found.found)) - found.unwanted)
        kinds = (Remove, Ban, Invite, SetPower)
        assert [one for one in self.plan().actions if isinstance(one, kinds)] == [], "nothing is left to do"

    @invariant()
    def guests_are_never_touched(self) -> None:
        if hasattr(self, "decided"):
            assert STRANGER not in {getattr(one, "matrix_id", "") for one in self.plan().actions}


TestPlanner = PlannerMachine.TestCase
TestPlanner.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
