"""Pages and endpoints beside the homeserver's."""
