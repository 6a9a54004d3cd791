"""The checks by what they look at; `registry.checks` loads them."""
