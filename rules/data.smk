# Data: published files from the mirror or the internet, then arrays, one job per likelihood.


# On a cluster the nodes often have no internet, so files are fetched where Snakemake runs.
localrules:
    data,
    fetch,
    raw,


rule data:
    input:
        plan.prepared_targets(),


rule raw:
    input:
        plan.raw_targets(),


rule fetch:
    output:
        f"{layout.raw('{data_set}')}/record.json",
    log:
        f"{layout.results}/logs/fetch/{{data_set}}.log",
    conda:
        "../environment.yaml"
    params:
        data=layout.data,
        mirror=["--mirror", settings.mirror] if settings.mirror else [],
        journal=f"{layout.results}/jobs/fetch-{{data_set}}.json",
    shell:
        "exec python -m workflow_src fetch --data-set {wildcards.data_set}"
        " --data-directory {params.data:q} {params.mirror:q} --log {log:q}"
        " --journal {params.journal:q}"


rule prepare:
    input:
        ancient(lambda wildcards: plan.raw_record(wildcards.data_set)),
        ancient(plan.prepared_membership("{fingerprint}")),
    output:
        f"{layout.prepared('{data_set}', '{likelihood}', '{fingerprint}')}/record.json",
    log:
        f"{layout.results}/logs/prepare/{{data_set}}-{{likelihood}}-{{fingerprint}}.log",
    conda:
        "../environment.yaml"
    resources:
        attempt=lambda wildcards, attempt: attempt,
        mem_mb=lambda wildcards, attempt: plan.allowed_megabytes("prepare", 8000 * attempt),
        runtime=lambda wildcards, attempt: plan.allowed_minutes("prepare", 60 * attempt),
    params:
        data=layout.data,
        sources=layout.sources,
        journal=f"{layout.results}/jobs/prepare-{{fingerprint}}.json",
    shell:
        "exec python -m workflow_src prepare --data-set {wildcards.data_set}"
        " --likelihood {wildcards.likelihood} --fingerprint {wildcards.fingerprint}"
        " --data-directory {params.data:q} --sources {params.sources:q}"
        " --attempt {resources.attempt} --log {log:q} --journal {params.journal:q}"
