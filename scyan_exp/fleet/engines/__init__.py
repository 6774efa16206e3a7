"""Where jobs run: a file per engine."""
