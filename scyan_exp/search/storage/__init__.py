"""Where a search is kept: a journal, or a database that machines share."""
