"""Workloads on which fokkerplanck and its peers are timed and judged, side by side in one run."""
