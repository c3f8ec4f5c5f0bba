# Report: metrics, tables beside the published numbers, figures and the page.


rule report:
    input:
        ancient(lambda wildcards: plan.report_inputs(wildcards.fingerprint)),
        membership=ancient(plan.report_membership("{fingerprint}")),
    output:
        layout.report_manifest("{fingerprint}"),
    log:
        f"{layout.results}/logs/report/{{fingerprint}}.log",
    conda:
        "../environment.yaml"
    resources:
        attempt=lambda wildcards, attempt: attempt,
        mem_mb=lambda wildcards, attempt: plan.allowed_megabytes("report", 4000 * attempt),
        runtime=lambda wildcards, attempt: plan.allowed_minutes("report", 30 * attempt),
    params:
        journal=f"{layout.results}/jobs/report-{{fingerprint}}.json",
    shell:
        "exec python -m workflow_src report --report {input.membership:q}"
        " --attempt {resources.attempt} --log {log:q} --journal {params.journal:q}"
