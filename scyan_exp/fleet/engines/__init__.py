"""Where jobs run: an engine a file."""
