"""The workflow: data -> train -> evaluate -> report. What to run is said in config.yaml.

The plan knows what is missing. Every file is named by the fingerprint of what it was made from, so
what exists is up to date; that is why all inputs are ancient(): times of files decide nothing. Rules
name a conda environment for those who want one (--software-deployment-method conda).
"""

import functools
import os
import sys
from pathlib import Path

from snakemake.utils import min_version

from workflow_src.cluster.steps import prepare_step
from workflow_src.config.command_line import with_types
from workflow_src.errors import UserError
from workflow_src.jobs.cancelling import end_in_order
from workflow_src.plan.exclusive import runs_jobs, sends_to_slurm
from workflow_src.plan.workflow import workflow_plan, workflow_plan_of_job

min_version("9.10")


configfile: "config.yaml"


# What `snakemake --report report.html` opens with.
report: "rules/captions/workflow.rst"


# Jobs run in this very Python with this very package, whatever the shell would find first.
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]),
    PYTHONPATH=str(workflow.basedir),
)

# A Snakemake that runs one job, on a node, takes its work from the plan that was written before.
# The one that starts the jobs is alone with the results; dry runs and the like are not kept out.
# Where jobs go to SLURM, those of an earlier start that are still in its queue belong to the plan.
alone = runs_jobs(sys.argv[1:], dry_run=workflow.output_settings.dryrun)
if alone and workflow.is_main_process:
    end_in_order(sys.argv[1:])
requested = workflow.resource_settings
on_slurm = sends_to_slurm(sys.argv[1:], requested.nodes)
planned = functools.partial(workflow_plan, alone=alone, resources=requested if on_slurm else None)
if not workflow.is_main_process:
    prepare_step()
    planned = workflow_plan_of_job
try:
    asked = with_types(config, workflow.config_settings.config)
    plan = planned(asked, workflow.configfiles)
except UserError as error:
    sys.exit(f"error: {error}")

settings, layout = plan.settings, plan.layout
gpus = 0 if settings.device == "cpu" else 1
if gpus and workflow.is_main_process and requested.nodes is None:
    # As many jobs as this machine has GPUs, if --resources does not say otherwise.
    workflow.global_resources.setdefault("gpu", plan.gpus_at_once())


wildcard_constraints:
    data_set=r"[a-z0-9_]+",
    likelihood=r"[a-z_]+",
    digest=r"[0-9a-f]{16}",
    fingerprint=r"[0-9a-f]{16}",


localrules:
    all,


rule all:
    input:
        plan.targets(),
        plan.evaluation_targets(),
        plan.shard_targets(),
    message:
        "everything that the settings ask for is there; `python -m workflow_src show` prints it"


include: "rules/data.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/report.smk"
