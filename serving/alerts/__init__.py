"""`serving alerts`: what fires now."""
