"""An audit's report as lines for a terminal: findings, remarks, and a plain verdict at the end."""

from __future__ import annotations

from collections.abc import Iterator

from workflow_src.audit.findings import Report

_NOUNS = ("tables", "cells of tables", "numbers", "evaluations", "measurements", "runs")


def lines(report: Report) -> Iterator[str]:
    """Every finding and remark, then what was read, then the verdict."""
    for finding in report.findings:
        yield f"finding  {finding}"
    for remark in report.remarks:
        yield f"remark   {remark}"
    yield read(report)
    yield verdict(report)


def read(report: Report) -> str:
    """How much was looked at."""
    counts = [f"{report.counted.get(noun, 0):,} {noun}" for noun in _NOUNS]
    size = sum(n for noun, n in report.counted.items() if noun.startswith("bytes in "))
    return f"read     {', '.join(counts)}; {size / 1e6:,.1f} MB"


def verdict(report: Report) -> str:
    """One line: whether these results stand."""
    remarks = _counted(len(report.remarks), "remark")
    if report.passes:
        return f"verdict: every number stands ({remarks})"
    unmade = sum(finding.kind == "unmade" for finding in report.findings)
    others = len(report.findings) - unmade
    if not others:
        return f"verdict: incomplete, {unmade} things are not yet made; what is there stands"
    words = f"these results do not stand, {_counted(others, 'finding')}"
    return f"verdict: {words}" + (f", and {unmade} things are not yet made" if unmade else "")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
