"""What `benchmarks/speed.py` measures and how; `rows.py` says what is compared with what."""
