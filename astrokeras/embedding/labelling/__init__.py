"""Label stamps by hand on a page of this machine: table, queue, server, page."""
