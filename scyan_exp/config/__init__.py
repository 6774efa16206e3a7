"""A config: its schema, composing it, and all that is said of one that is wrong."""
