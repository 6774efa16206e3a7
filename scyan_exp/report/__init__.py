"""What people look at: a page of a run, a sweep or a search. It reads folders and never trains."""
