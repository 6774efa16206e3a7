"""One run: from its config to its folder; and what is done with such a folder later."""
