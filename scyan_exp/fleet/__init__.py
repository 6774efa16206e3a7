"""Many jobs on all devices: scheduling, worker processes, resuming.

Hydra's plugin calls ``launch.py``, and ``scyan-exp resume`` calls ``resume.py``. Both compose or
read :class:`~scyan_exp.fleet.jobs.Job` objects and give them to ``running.py``: a source
(``source.py``, ``repeats.py``, or a search's) gives jobs to ``schedule.py``, which decides what is
started, tried again and stopped, on an engine (``engines/``). Observers are told what becomes of
each job: ``table.py`` writes ``sweep.csv``, ``progress.py`` the terminal.
"""
