"""Moved soon."""
from fer_tune.search.runner import StudySearcher as StudySearcher
