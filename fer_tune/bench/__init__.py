"""Benchmarks: what a step, a study and their growth cost on the machine at hand."""
