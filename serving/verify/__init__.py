"""Whether an environment serves: named checks, one verdict. The same on the cloud and in a rehearsal."""
