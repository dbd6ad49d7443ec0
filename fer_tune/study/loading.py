"""Reads a study file."""
from fer_tune.study.schema import load_study as load_study
