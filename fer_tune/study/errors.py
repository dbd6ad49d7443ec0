"""Mistakes in a study file."""
from fer_tune.study.schema import StudyError as StudyError
