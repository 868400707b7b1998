"""The settings of several processes that share the work."""

from __future__ import annotations

import socket
from typing import Annotated

from pydantic import Field

from .section import Section


class Cluster(Section):
    """Several processes, on one machine or many, that share one database on PostgreSQL and all work."""

    enabled: bool = Field(
        default=False,
        description="Share the database with other processes of this service that have this on as well. "
        "It takes PostgreSQL and the package's extra cluster.",
    )
    name: Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9._-]*$")] = Field(
        default="",
        description="How this process is called among the others, the same after every restart; "
        "empty: the machine's name and the port.",
    )

    def name_of(self, port: int) -> str:
        """The name of the process that listens on this port."""
        return self.name or f"{socket.gethostname()}-{port}"
