"""Upgrades of the schema, one module each; `store.schema` registers them in their order."""
