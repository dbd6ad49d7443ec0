"""How many CPUs this process may use."""

from joblib import cpu_count


def usable_cpus() -> int:
    """CPUs that this process may use: those of its affinity (taskset, srun), within its cgroup's quota (containers)."""
    return int(cpu_count())
