"""What people look at: it reads the folders of runs and sweeps, and never trains."""
