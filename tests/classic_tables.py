# SPDX-License-Identifier: Apache-2.0
"""The small tables of the literature on decision trees, and a tree as text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

_GOLF = """
sunny hot high false no
sunny hot high true no
overcast hot high false yes
rainy mild high false yes
rainy cool normal false yes
rainy cool normal true no
overcast cool normal true yes
sunny mild high false no
sunny cool normal false yes
rainy mild normal false yes
sunny mild normal true yes
overcast mild high true yes
overcast hot normal false yes
rainy mild high true no
"""
_TEMPERATURE = [85, 80, 83, 70, 68, 65, 64, 72, 69, 75, 75, 72, 81, 71]
_HUMIDITY = {  # two versions are in use: they differ in rows 3 and 14
    "quinlan": [85, 90, 78, 96, 80, 70, 65, 95, 70, 80, 70, 90, 75, 80],
    "weka": [85, 90, 86, 96, 80, 70, 65, 95, 70, 80, 70, 90, 75, 91],
}

# color root knocks texture navel touch good
_WATERMELON = """
green curled dull clear sunken hard yes
black curled heavy clear sunken hard yes
black curled dull clear sunken hard yes
green curled heavy clear sunken hard yes
white curled dull clear sunken hard yes
green slight dull clear slight soft yes
black slight dull little_blur slight soft yes
black slight dull clear slight hard yes
black slight heavy little_blur slight hard no
green stiff crisp clear even soft no
white stiff crisp blur even hard no
white curled dull blur even soft no
green slight dull little_blur sunken hard no
white slight heavy little_blur sunken hard no
black slight dull clear slight soft no
white curled dull blur even hard no
green curled heavy little_blur slight hard no
"""
_DENSITY = [697, 774, 634, 608, 556, 403, 481, 437, 666, 243, 245, 343, 639, 657, 360, 593, 719]
_SUGAR = [460, 376, 264, 318, 215, 237, 149, 211, 91, 267, 57, 99, 161, 198, 370, 42, 103]

NAMES = ["color", "root", "knocks", "texture", "navel", "touch"]


def _nominal(text: str, names: list[str]) -> tuple[pd.DataFrame, np.ndarray]:
    rows = [line.split() for line in text.split("\n") if line]
    frame = pd.DataFrame(rows, columns=[*names, "y"])
    return frame[names].astype("category"), frame["y"].to_numpy()


def golf(humidity: str | None = None) -> tuple[pd.DataFrame, np.ndarray]:
    """14 days; humidity "quinlan" or "weka": the numeric versions."""
    X, y = _nominal(_GOLF, ["outlook", "temperature", "humidity", "windy"])
    if humidity is not None:
        X["temperature"] = np.array(_TEMPERATURE, dtype=float)
        X["humidity"] = np.array(_HUMIDITY[humidity], dtype=float)
    return X, y


def watermelon(*, numbers: bool = False) -> tuple[pd.DataFrame, np.ndarray]:
    """17 watermelons, set 2.0; with numbers set 3.0."""
    X, y = _nominal(_WATERMELON, NAMES)
    if numbers:
        X["density"] = np.array(_DENSITY) / 1000
        X["sugar"] = np.array(_SUGAR) / 1000
    return X, y


def text_of(tree: Any, node: int = 0, depth: int = 0) -> list[str]:
    """One line a branch: its test, and of a leaf the class and (cases/errors) to two digits."""
    q = tree.question_begin[node]
    lines = []
    for branch, child in enumerate(tree.children(node)):
        feature = tree.question_feature[q]
        name = tree.feature_names[feature]
        if tree.question_branch_begin[q] < 0:
            test = f"{name} {'<=' if branch == 0 else '>'} {tree.question_threshold[q]:g}"
        else:
            begin = tree.question_branch_begin[q]
            branches = tree.question_branches[begin : begin + tree.question_n_branches[q]]
            values = [tree.schema.categories[feature][c] for c in np.flatnonzero(branches == branch)]
            test = f"{name} = {'|'.join(map(str, values))}"
        leaf = ""
        if tree.n_children[child] == 0:
            n, wrong = round(tree.weight[child], 2), round(tree.risk[child], 2)
            leaf = (
                f": {tree.classes[tree.label[child]]} ({n:g}/{wrong:g})"
                if wrong
                else f": {tree.classes[tree.label[child]]} ({n:g})"
            )
        lines.append("|  " * depth + test + leaf)
        lines += text_of(tree, child, depth + 1)
    return lines
