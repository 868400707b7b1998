"""What every section of the configuration is: a frozen model that knows its keys and takes no others."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """One section of the file."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True, allow_inf_nan=False
    )


def number(default: float | None, description: str, *, unit: str = "", **bounds: Any) -> Any:
    """A field for a number; `bounds` are pydantic's `ge`, `gt`, `le` and `lt`."""
    extra: Any = {"unit": unit} if unit else None
    return Field(default=default, description=description, json_schema_extra=extra, **bounds)
