# Report: metrics, tables beside the published numbers, figures and the pages.


rule report:
    input:
        ancient(lambda wildcards: plan.report_inputs(wildcards.fingerprint)),
        membership=ancient(plan.report_membership("{fingerprint}")),
    output:
        layout.report_manifest("{fingerprint}"),
        # Both folders are what Snakemake's own report shows: snakemake --report report.html
        report(
            directory(layout.report_figures("{fingerprint}")),
            patterns=[
                f"{{study,[^/]+}}/{{experiment,[^/]+}}/{{figure,[^/]+}}.{suffix}"
                for suffix in ("png", "svg")
            ],
            caption="captions/figure.rst",
            category=plan.study_title,
            subcategory=plan.experiment_title,
            labels=plan.figure_labels,
        ),
        report(
            directory(layout.report_tables("{fingerprint}")),
            patterns=["{study,[^/]+}/{experiment,[^/]+}.html"],
            caption="captions/table.rst",
            category=plan.study_title,
            subcategory=plan.experiment_title,
            labels={"Result": "Table"},
        ),
    log:
        f"{layout.results}/logs/report/{{fingerprint}}.log",
    conda:
        "../environment.yaml"
    resources:
        attempt=lambda wildcards, attempt: attempt,
        mem_mb=lambda wildcards, attempt: plan.allowed_megabytes("report", 4000 * attempt),
        runtime=lambda wildcards, attempt: plan.allowed_minutes("report", 30 * attempt),
    params:
        captions=lambda wildcards: plan.captions(wildcards.fingerprint),
        journal=f"{layout.results}/jobs/report-{{fingerprint}}.json",
    shell:
        "exec python -m workflow_src report --report {input.membership:q}"
        " --attempt {resources.attempt} --log {log:q} --journal {params.journal:q}"
