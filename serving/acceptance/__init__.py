"""One acceptance run of an environment: from preflight to leftovers, and a record that may be published."""
