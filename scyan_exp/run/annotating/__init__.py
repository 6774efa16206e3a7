"""Annotating files of new cells: many, large ones, and such as were cut off."""
