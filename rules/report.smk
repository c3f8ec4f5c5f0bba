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
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    shell:
        "python -m workflow_src report --report {input.membership:q}"
        " --attempt {resources.attempt} --log {log:q}"
