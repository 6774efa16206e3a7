"""Annotating files of new cells, however many and large they are; one that was cut off goes on."""
