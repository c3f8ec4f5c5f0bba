# Training: one job per shard, which is several runs on one device.


localrules:
    train,


rule train:
    input:
        plan.shard_targets(),


rule train_shard:
    input:
        ancient(lambda wildcards: plan.shard_inputs(wildcards.digest)),
        membership=ancient(plan.shard_membership("{digest}")),
    output:
        layout.shard_manifest("{digest}"),
    log:
        f"{layout.results}/logs/train/{{digest}}.log",
    conda:
        "../environment.yaml"
    threads: settings.threads
    resources:
        attempt=lambda wildcards, attempt: attempt,
        gpu=gpus,
        mem_mb=lambda wildcards, attempt: plan.allowed_megabytes("train_shard", 4000 * attempt),
        runtime=lambda wildcards, attempt: plan.shard_minutes(wildcards.digest, attempt),
    params:
        device=settings.device,
        journal=f"{layout.results}/jobs/train_shard-{{digest}}.json",
    shell:
        "exec python -m workflow_src train --shard {input.membership:q} --manifest {output:q}"
        " --device {params.device} --threads {threads}"
        " --attempt {resources.attempt} --log {log:q} --journal {params.journal:q}"
