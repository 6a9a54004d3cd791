"""The flags of a model server's version, and what it loads by name, read from the sources in its wheels."""
