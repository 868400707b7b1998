"""Keeps chat rooms on a Matrix homeserver equal to what Moodle says about courses, groups and people."""

__version__ = "0.1.0"
