"""Files of new cells."""
