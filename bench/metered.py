"""A homeserver that tells how often it worked through what follows from events, by its own metrics.

After events Synapse looks for application services that want them, once for all that have come since it last looked.
The fewer times for the same events, the less they cost it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import aiohttp

from moodle_appservice.demo.homeserver import EmbeddedSynapse
from moodle_appservice.demo.loopback import free_port

_COUNTED = 'synapse_background_process_start_count_total{name="notify_interested_services"'


class MeteredSynapse(EmbeddedSynapse):
    """An embedded homeserver with one listener more."""

    def __init__(self, server_name: str, registrations: Sequence[Path]) -> None:
        port, self._metrics_port = free_port(), free_port()
        here = {"bind_addresses": ["127.0.0.1"], "tls": False}
        listeners = [
            {"port": port, "type": "http", "resources": [{"names": ["client"]}], **here},
            {"port": self._metrics_port, "type": "metrics", **here},
        ]
        super().__init__(
            server_name=server_name,
            port=port,
            registrations=registrations,
            settings={"enable_metrics": True, "listeners": listeners},
        )

    async def times_worked_through(self) -> int:
        """So often since its start."""
        url = f"http://127.0.0.1:{self._metrics_port}/_synapse/metrics"
        async with aiohttp.ClientSession(raise_for_status=True) as session, session.get(url) as answer:
            lines = (await answer.text()).splitlines()
        return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith(_COUNTED))
