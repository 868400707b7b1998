"""Implementations of the `Queue` port."""
