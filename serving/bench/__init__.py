"""How much an environment serves: load in steps until throughput stops growing, kept raw, reported, compared."""
