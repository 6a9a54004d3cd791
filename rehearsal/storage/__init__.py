"""Emulator of Cloud Storage's JSON API, of the metadata server's tokens, and of the Hub's files, for pods of a rehearsal."""
