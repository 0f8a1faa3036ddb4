# SPDX-License-Identifier: Apache-2.0
"""Small models that learn from large ones.

>>> from pygbt.distill import Teacher, distill
>>> result = distill(Teacher(RandomForestClassifier()), {"max_leaves": 16, "num_boost_round": 50}, X, y)
>>> result.predict_proba(X_new)
>>> print(result.report_)

What there is:

- `Teacher`: a model, an ensemble, a function or an array that speaks for rows; out of fold, cached, resumable.
- `distill`: a booster, forest or tree that learns from it; temperature, weights and size chosen; a report.
- `readable`: a single tree, or a list of rules, that learns from it.
- `cotrain`: a heavy and a light booster grown together; `curriculum`: a finished teacher's rounds replayed.
- `Specialists`: a generalist with specialists for the classes that it confuses.
- `munge`: new rows for a transfer set.

Needs scikit-learn.
"""

from __future__ import annotations

from ..table_estimator import TableEstimator as _needs_scikit_learn  # noqa: F401  (says what is missing)

# isort: split
from .answers import Answers
from .budget import Budget
from .cotrain import CoTrained, CoTrainingInterrupted, cotrain
from .curriculum import curriculum
from .distilling import Distilled, distill
from .munge import munge
from .readable import Readable, readable
from .report import Report
from .settings import KD
from .soft_rows import soft_rows
from .specialists import Specialists
from .teacher import Teacher, TeacherError

__all__ = [
    "KD",
    "Answers",
    "Budget",
    "CoTrained",
    "CoTrainingInterrupted",
    "Distilled",
    "Readable",
    "Report",
    "Specialists",
    "Teacher",
    "TeacherError",
    "cotrain",
    "curriculum",
    "distill",
    "munge",
    "readable",
    "soft_rows",
]
