"""The pages of the site that nobody writes by hand, a file a page; ``hook.py`` adds them.

Each file has a function that returns Markdown. Only the build of the site imports them.
"""
