"""Moved soon."""
from fer_tune.search.runner import Job as Job
from fer_tune.search.runner import NotRunnable as NotRunnable
