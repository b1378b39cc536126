"""A network over any number of objects: pieces of bounded memory, each kept until all are done."""
