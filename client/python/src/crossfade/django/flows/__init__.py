"""What the package does, one verb a file. Stores, views and receivers only call these."""
