"""A person who uses Hydrogen: what they do, and what they see while they do it.

Each method does one thing as a person would and returns when it shows on the screen. On a phone the list of rooms and
an open room are two screens; on a desktop they stand side by side.
"""

from __future__ import annotations

from pathlib import Path

from tests.browser.page import Page

SCREENSHOTS = Path(__file__).parent.parent.parent / "build" / "screenshots"


class HydrogenUser:
    """One page with Hydrogen in it. Start with `log_in`."""

    def __init__(self, page: Page, site_url: str) -> None:
        self.page = page
        self._site_url = site_url

    async def log_in(self, username: str, password: str) -> None:
        """Open Hydrogen, log in with a name and a password, and wait for the list of rooms."""
        await self.page.open(self._site_url)
        await self.page.type("#username", username)
        await self.page.type("#password", password)
        await self.page.click(".PasswordLoginView button[type=submit]")
        await self.page.see(".LeftPanel")

    async def see_invite(self, room_name: str) -> None:
        """Wait until an invite to a room of that name stands in the list."""
        await self.page.see(".RoomList li:has(.badge.highlighted)", room_name)

    async def open_room(self, room_name: str) -> None:
        """Open a room, or the invite to it, from the list."""
        await self.page.click(".RoomList li a", room_name)
        await self.page.see(".middle .room-description h2", room_name)

    async def go_back(self) -> None:
        """Leave the open room for the list of rooms, as one does on a phone."""
        await self.page.click(".middle .close-middle")
        await self.page.see(".LeftPanel")

    async def accept_invite(self) -> None:
        """Accept the invite that is open, and wait until one can write in the room."""
        await self.page.click(".InviteView button.primary", "Accept")
        await self.page.see(".MessageComposer textarea")

    async def see_message(self, text: str) -> None:
        """Wait until a message is in the open room and, if it is one's own, has left."""
        await self.page.see(".Timeline_message:not(.unsent) .Timeline_messageBody", text)

    async def send_message(self, text: str) -> None:
        """Write a message into the open room and wait until the homeserver has it."""
        await self.page.type(".MessageComposer textarea", text)
        await self.page.click(".MessageComposer button.send")
        await self.page.see(".Timeline_message.own:not(.unsent) .Timeline_messageBody", text)

    async def screenshot(self, name: str) -> Path:
        """Keep what the screen shows as `build/screenshots/<name>-<size>.png`."""
        target = SCREENSHOTS / f"{name}-{self.page.viewport.name}.png"
        await self.page.screenshot(target)
        return target
