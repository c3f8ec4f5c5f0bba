# Evaluation: one job per group of runs, which chooses its winner and measures it.


localrules:
    evaluate,


rule evaluate:
    input:
        plan.evaluation_targets(),


rule evaluate_group:
    input:
        ancient(lambda wildcards: plan.evaluation_inputs(wildcards.fingerprint)),
        membership=ancient(plan.evaluation_membership("{fingerprint}")),
    output:
        f"{layout.results}/evaluations/{{group}}-{{fingerprint}}/evaluation.json",
    log:
        f"{layout.results}/logs/evaluate/{{group}}-{{fingerprint}}.log",
    conda:
        "../environment.yaml"
    threads: settings.threads
    resources:
        attempt=lambda wildcards, attempt: attempt,
        gpu=gpus,
        mem_mb=lambda wildcards, attempt: plan.allowed_megabytes(
            "evaluate_group", (4000 + settings.evaluation.memory_megabytes) * attempt
        ),
        runtime=lambda wildcards, attempt: plan.allowed_minutes("evaluate_group", 120 * attempt),
    params:
        device=settings.device,
        memory=settings.evaluation.budget_megabytes(settings.device),
        journal=f"{layout.results}/jobs/evaluate_group-{{fingerprint}}.json",
    shell:
        "exec python -m workflow_src evaluate --evaluation {input.membership:q}"
        " --device {params.device} --threads {threads} --memory-megabytes {params.memory}"
        " --attempt {resources.attempt} --log {log:q} --journal {params.journal:q}"
