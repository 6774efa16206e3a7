"""One run, from its config to its folder, and what is done with such a folder later.

This package can be called: ``scyan_exp.run(["flow=deep"])`` trains, annotates and measures, see
:func:`scyan_exp.cli.notebook.run`.
"""
