"""What was found out about the site itself: which Moodle it is, what our token may do there, and when we looked.

It is kept over a restart, so that a right that was missing is missed from the first moment on. Rights are probed
(`rights`) by the first pass after a start, when the release, the account or the functions of the service are other
ones, once a day, soon after courses could not be read for want of a right, and with every pass as long as a right is
missing without which nothing is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..domain.model import SiteInfo
from .rights import Finding, State, reason_to_stop

PROBE_EVERY = 86400.0
"""Seconds between two probes of a site that stays as it is."""
PROBE_IN_DOUBT = 600.0
"""Seconds between two probes while courses can't be read for want of a right."""


@dataclass(frozen=True, slots=True)
class KnownSite:
    """A site as it was when its rights were probed. `probed_at`: Unix seconds; `reports`: kind → number in Moodle."""

    url: str
    release: str
    user_id: int
    functions: frozenset[str]
    findings: tuple[Finding, ...]
    probed_at: float
    reports: Mapping[str, int] = field(default_factory=dict)

    @property
    def stops(self) -> str:
        """Why nothing may be read, as sentences; empty where it may."""
        return reason_to_stop(self.findings)

    def is_valid(self, info: SiteInfo, now: float, *, in_doubt: bool = False) -> bool:
        """Whether a probe would find the same. `in_doubt`: courses could not be read for want of a right."""
        same = (self.url, self.release, self.user_id) == (info.url, info.release, info.user_id)
        aged = not 0 <= now - self.probed_at < (PROBE_IN_DOUBT if in_doubt else PROBE_EVERY)
        return same and self.functions == info.functions and not aged and not self.stops

    def to_data(self) -> dict[str, Any]:
        """Plain values, fit for JSON."""
        return {
            "url": self.url,
            "release": self.release,
            "user_id": self.user_id,
            "functions": sorted(self.functions),
            "findings": [[one.name, one.state.value, one.sentence, one.everywhere] for one in self.findings],
            "probed_at": self.probed_at,
            "reports": dict(self.reports),
        }

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> KnownSite:
        """What `to_data` gave, also after a way through JSON. Raises KeyError, TypeError or ValueError for others."""
        return cls(
            url=data["url"],
            release=data["release"],
            user_id=int(data["user_id"]),
            functions=frozenset(data["functions"]),
            findings=tuple(
                Finding(name, State(state), sentence, everywhere)
                for name, state, sentence, everywhere in data["findings"]
            ),
            probed_at=float(data["probed_at"]),
            reports=dict(data["reports"]),
        )
