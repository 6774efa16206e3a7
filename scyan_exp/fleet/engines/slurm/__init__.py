"""The engine of a Slurm cluster.

The launcher asks Slurm for *allocations*: Slurm jobs, each with a *foreman* in it. Foremen run jobs
one after the other, by the engine of one machine; launcher and foremen write to each other in
files of the sweep's folder, so that either can end and come back.

``engine.py`` is the launcher's side, ``foreman.py`` the other; ``mailbox.py`` is what lies between
them. ``commands.py`` asks Slurm's own programs, ``submission.py`` writes and submits the scripts.
"""

from scyan_exp.fleet.engines.slurm.engine import SlurmEngine

__all__ = ["SlurmEngine"]
