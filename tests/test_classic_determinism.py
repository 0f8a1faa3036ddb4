# SPDX-License-Identifier: Apache-2.0
"""Classical trees and forests are the same bytes on every instruction set: each sorts small nodes by its own code."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import pygbt

pytest.importorskip("sklearn")

GROW = """
import hashlib
import numpy as np
from pygbt.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor
from pygbt.tree import C45Classifier, CARTClassifier, CARTRegressor

rng = np.random.default_rng(0)
X = np.round(rng.normal(size=(1500, 9)), 2)
X[rng.random(X.shape) < 0.05] = np.nan
y = (np.nan_to_num(X) @ rng.normal(size=9) > rng.normal(size=1500)).astype(int) + (np.nan_to_num(X[:, 0]) > 1)
z = np.nan_to_num(X[:, 0] * X[:, 1]) + rng.normal(size=1500)
full = {"min_split": 2, "min_bucket": 1, "cp": None}
digest = hashlib.sha256()
for model, target in (
    (CARTClassifier(**full), y),
    (CARTClassifier(**full, criterion="entropy", missing="direction"), y),
    (CARTRegressor(**full), z),
    (C45Classifier(), y),
):
    arrays = model.fit(X, target).tree_.arrays
    for name in sorted(arrays):
        digest.update(np.asarray(arrays[name]).tobytes())
for model, target in (
    (RandomForestClassifier(n_estimators=5, random_state=1), y),
    (RandomForestClassifier(n_estimators=5, random_state=1, max_bin=64), y),
    (ExtraTreesClassifier(n_estimators=5, random_state=1), y),
    (RandomForestRegressor(n_estimators=5, random_state=1), z),
):
    digest.update(model.fit(X, target).digest().encode())
    digest.update(model.predict(X).tobytes())
print(digest.hexdigest())
"""


def test_every_instruction_set_gives_the_same_trees() -> None:
    digests = {}
    for isa in pygbt.build_info()["isa_levels"]:
        run = subprocess.run(
            [sys.executable, "-c", GROW],
            env={**os.environ, "PYGBT_ISA": isa},
            capture_output=True,
            text=True,
            check=True,
        )
        digests[isa] = run.stdout.strip()
    assert len(set(digests.values())) == 1, digests
    assert all(len(digest) == 64 for digest in digests.values())
