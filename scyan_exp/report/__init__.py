"""What people look at: folders of runs and sweeps are read here, and nothing is trained."""
