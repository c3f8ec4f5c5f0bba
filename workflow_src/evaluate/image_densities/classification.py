"""How often a density with a classifier on its layers names the class of a test image."""

from __future__ import annotations

import numpy as np

from workflow_src.evaluate.image_densities.metric_rows import mean_of_images
from workflow_src.evaluate.image_densities.scores import in_blocks
from workflow_src.evaluate.image_densities.subject import Subject
from workflow_src.evaluate.measurement import Arrays
from workflow_src.evaluate.metric_rows import Row
from workflow_src.models.image_densities import Classifies


def classification(subject: Subject) -> tuple[list[Row], Arrays]:
    """Rows of how many test images have their label as the likeliest class, and how surely.

    The arrays are what they are told by.

    Raises
    ------
    ValueError
        If there is no classifier.
    """
    model = subject.model
    if not isinstance(model, Classifies) or not model.has_classifier:
        raise ValueError(f"the run of {subject.spec['model']} has no classifier")
    classifier = model
    found = in_blocks(
        subject,
        subject.test,
        lambda some: classifier.class_log_probabilities(subject.parameters, some).T,
    ).T
    right = (found.argmax(axis=1) == subject.labels).astype(np.float64)
    arrays: Arrays = {"log_probabilities": found, "labels": subject.labels}
    losses = -found[np.arange(len(found)), subject.labels]
    rows = [
        mean_of_images("test_accuracy", right, "share"),
        mean_of_images("test_cross_entropy", losses, "nats"),
    ]
    return rows, arrays
