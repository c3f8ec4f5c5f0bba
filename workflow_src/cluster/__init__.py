"""SLURM as its jobs need it: what is sent, asked and taken over between Snakemake and the queue.

The executor plugin calls ``sbatch``, ``squeue``, ``sacct``, ``sinfo`` and ``scancel``; on the PATH
of the process that starts the jobs, and there alone, stand those of ``commands/``, which answer
these calls so that nothing is waited for in vain or sent twice, and hand everything else to the
real tools.
"""
