"""The engine of a Slurm cluster.

The launcher asks Slurm for *allocations*: Slurm jobs, each with a *foreman* in it. A foreman runs
jobs one after the other with the engine of one machine. Launcher and foremen write to each other in
files of the sweep's folder, so that either side can end and come back.

``engine.py`` is the launcher's side, ``foreman.py`` the other side, and ``mailbox.py`` lies between
them. ``commands.py`` calls Slurm's own programs, ``submission.py`` writes and submits the scripts.
"""

from scyan_exp.fleet.engines.slurm.engine import SlurmEngine

__all__ = ["SlurmEngine"]
