"""What a pipeline runs beside `python -m serving`: the same commands on every CI system (docs/ci.md)."""
