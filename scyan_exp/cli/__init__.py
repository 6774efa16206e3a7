"""The console script ``scyan-exp``: a file a command."""
