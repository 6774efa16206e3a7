"""Many jobs on all devices: scheduling, worker processes, resuming.

``launcher.py`` is called by Hydra's plugin, ``resume.py`` by ``scyan-exp resume``; both hand
:class:`~scyan_exp.fleet.jobs.Job` objects to ``schedule.py``, which decides what runs, retries
and stops. An engine (``local.py``, ``ray_engine.py``) runs jobs in processes that ``worker.py``
describes.
"""
