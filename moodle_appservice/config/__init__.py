"""The configuration: a YAML file, overridden by the environment, checked as a whole before anything starts.

`load` returns frozen `Settings` or raises one `ConfigError` that lists every problem with its place. `settings` says
what the keys are, `values` how their values are checked, `sources` where they come from, `keys` lists them for the
documentation; `renames` knows what keys were called before, and `migrate` writes that into the file.
"""

from __future__ import annotations

from .keys import ENVIRONMENT_PREFIX, Key, keys
from .load import check, load
from .settings import Settings

__all__ = ["ENVIRONMENT_PREFIX", "Key", "Settings", "check", "keys", "load"]
