"""What embeddings are for: one file, one use."""
