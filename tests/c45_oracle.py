# SPDX-License-Identifier: Apache-2.0
"""C4.5 and ID3 once more, slowly: every attribute and every cut from its definition, case by case.

A table is a list of columns, each a list of floats (numeric) or of ints (nominal); None is missing. A node is a dict
with counts, label and, if it is not a leaf, feature, gain, threshold or branches (category -> branch), children.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

EQUAL = 1e-12

Case = tuple[int, int]  # row, parts


def entropy_times_n(counts: Sequence[float]) -> float:
    n = math.fsum(counts)
    return -math.fsum(c * math.log2(c / n) for c in counts if c > 0)


def added_errors(n: float, e: float, cf: float, exact: bool) -> float:
    if exact:
        z = NormalDist().inv_cdf(1 - cf)
    else:
        shares = [0, 0.001, 0.005, 0.01, 0.05, 0.10, 0.20, 0.40, 1.0]
        deviates = [4.0, 3.09, 2.58, 2.33, 1.65, 1.28, 0.84, 0.25, 0.0]
        i = next(i for i in range(1, 9) if cf <= shares[i])
        slope = (deviates[i] - deviates[i - 1]) / (shares[i] - shares[i - 1])
        z = deviates[i - 1] + slope * (cf - shares[i - 1])
    if n <= 0:
        return 0.0
    none = n * (1 - cf ** (1 / n))
    if e < 1e-6:
        return none
    if e < (1 if exact else 0.9999):
        return none + e * (added_errors(n, 1.0, cf, exact) - none)
    if e + 0.5 >= n:
        return max(n - e, 0.0) if exact else 0.67 * (n - e)
    f = (e + 0.5) / n
    upper = (f + z * z / (2 * n) + z * math.sqrt(f / n - f * f / n + z * z / (4 * n * n))) / (1 + z * z / n)
    return upper * n - e


@dataclass
class Oracle:
    columns: list[list[Any]]
    nominal: list[bool]
    y: list[int]
    weights: list[int]
    id3: bool = False
    min_gain: float = 0.0
    confidence: float = 0.25
    min_obj: float = 2.0
    penalty: bool = True
    kind: str = "multiway"
    prune: bool = True
    raising: bool = True
    collapse: bool = True
    exact: bool = False
    min_gap: float = 1e-5
    unit: float = field(init=False)

    def __post_init__(self) -> None:
        if self.id3:
            self.min_obj, self.prune, self.collapse, self.penalty = 0.0, False, False, False
        self.rows = [i for i, w in enumerate(self.weights) if w > 0]
        shift = 53 - sum(self.weights).bit_length()
        self.unit = 2.0**-shift
        self.start: list[Case] = [(i, self.weights[i] << shift) for i in self.rows]
        self.total = sum(self.weights)
        self.n_classes = max(self.y) + 1
        self.n_seen = len({self.y[i] for i in self.rows})
        self.values = [sorted({c[i] for i in self.rows if c[i] is not None}) for c in self.columns]
        many = [n and len(v) >= 0.3 * self.total for n, v in zip(self.nominal, self.values, strict=True)]
        self.many = [m and not all(many) for m in many]

    def counts(self, cases: list[Case]) -> list[int]:
        counts = [0] * self.n_classes
        for row, part in cases:
            counts[self.y[row]] += part
        return counts

    def weight(self, cases: list[Case]) -> float:
        return sum(part for _, part in cases) * self.unit

    # --- tests ------------------------------------------------------------------------------------------------------

    def judge(self, cases: list[Case], f: int, branch_of: Any) -> dict[str, Any]:
        """Gain and split information of a test; branch_of maps a known value to its branch."""
        known = [c for c in cases if self.columns[f][c[0]] is not None]
        branches: dict[int, list[Case]] = {}
        for case in known:
            branches.setdefault(branch_of(self.columns[f][case[0]]), []).append(case)
        n, n_known = self.weight(cases), self.weight(known)
        inside = math.fsum(self.bits(b) for b in branches.values())
        share = n_known / n
        gain = share * (self.bits(known) / n_known - inside / n_known) if known else 0.0
        sizes = [self.weight(b) for b in branches.values()]
        info = entropy_times_n([*sizes, n - n_known]) / n
        full = sum(size > 0 and size >= self.min_obj - 1e-6 for size in sizes)
        return {"gain": gain, "info": info, "usable": full >= 2, "sizes": sizes}

    def bits(self, cases: list[Case]) -> float:
        return entropy_times_n([c * self.unit for c in self.counts(cases)])

    def ratio(self, j: dict[str, Any]) -> float:
        return j["gain"] / j["info"] if j["info"] > 1e-3 else 0.0

    def candidate(self, cases: list[Case], f: int) -> dict[str, Any]:
        column = self.columns[f]
        here = sorted({column[r] for r, _ in cases if column[r] is not None})
        none = {"usable": False, "gain": 0.0, "info": 0.0}
        if len(here) < 2:
            return none
        if not self.nominal[f]:
            return self.best_cut(cases, f, here)
        if self.kind == "multiway":
            places = {v: i for i, v in enumerate(self.values[f])}
            return {**self.judge(cases, f, places.get), "branches": places}
        if self.kind == "one_vs_rest":
            best = none
            for one in here:
                branches = {v: int(v != one) for v in self.values[f]}
                j = {**self.judge(cases, f, branches.get), "branches": branches}
                if j["usable"] and (best is none or self.ratio(j) > self.ratio(best) + EQUAL):
                    best = j
            return best
        return self.grouped(cases, f, here)

    def best_cut(self, cases: list[Case], f: int, here: list[float]) -> dict[str, Any]:
        known = math.fsum(part * self.unit for r, part in cases if self.columns[f][r] is not None)
        min_split = max(self.min_obj, min(25.0, 0.1 * known / self.n_seen))
        tried = []
        for low, high in itertools.pairwise(here):
            j = self.judge(cases, f, lambda v, low=low: int(v > low))
            if min(j["sizes"]) < min_split - 1e-6 or high - low <= self.min_gap:
                continue
            middle = low + (high - low) / 2
            j["threshold"] = max(v for v in self.values[f] if v <= middle)
            tried.append(j)
        if not tried:
            return {"usable": False, "gain": 0.0, "info": 0.0}
        best = tried[0]
        for j in tried[1:]:
            if j["gain"] > best["gain"] + EQUAL:
                best = j
        if self.penalty:
            best["gain"] -= math.log2(len(tried)) / self.weight(cases)
        best["usable"] = best["gain"] > EQUAL
        return best

    def grouped(self, cases: list[Case], f: int, here: list[int]) -> dict[str, Any]:
        groups = [[v] for v in here]

        def judged(groups: list[list[int]]) -> dict[str, Any]:
            branches = {v: g for g, group in enumerate(groups) for v in group}
            return {**self.judge(cases, f, branches.get), "branches": branches}

        now = judged(groups)
        while len(groups) > 2:
            best, best_groups = None, None
            for a in range(len(groups)):
                for b in range(a + 1, len(groups)):
                    merged = [g + groups[b] if i == a else g for i, g in enumerate(groups) if i != b]
                    j = judged(merged)
                    if now["usable"] and not j["usable"]:
                        continue
                    if best is None or self.ratio(j) > self.ratio(best) + EQUAL:
                        best, best_groups = j, merged
            if best is None or (now["usable"] and self.ratio(best) < self.ratio(now) - EQUAL):
                break
            now, groups = best, best_groups
        return now

    def choose(self, cases: list[Case]) -> tuple[int, dict[str, Any]] | None:
        all_of_them = [self.candidate(cases, f) for f in range(len(self.columns))]
        best = None
        if self.id3:
            for f, j in enumerate(all_of_them):
                if (
                    j["usable"]
                    and j["gain"] >= self.min_gain - EQUAL
                    and (best is None or j["gain"] > best[1]["gain"] + EQUAL)
                ):
                    best = (f, j)
            return best
        averaged = [j["gain"] for f, j in enumerate(all_of_them) if j["usable"] and not self.many[f]]
        if not averaged:
            return None
        average = math.fsum(averaged) / len(averaged)
        for f, j in enumerate(all_of_them):
            if not j["usable"] or j["gain"] < average - 1e-3 - EQUAL or j["info"] <= 1e-3:
                continue
            if best is None or j["gain"] / j["info"] > best[1]["gain"] / best[1]["info"] + EQUAL:
                best = (f, j)
        return best

    # --- trees ------------------------------------------------------------------------------------------------------

    def divide(self, node: dict[str, Any], cases: list[Case]) -> list[list[Case]]:
        column = self.columns[node["feature"]]
        known: list[list[Case]] = [[] for _ in node["children"]]
        unknown = []
        for row, part in cases:
            value = column[row]
            if "threshold" in node:
                branch = None if value is None else int(value > node["threshold"])
            else:
                branch = node["branches"].get(value)
            if branch is None:
                unknown.append((row, part))
            else:
                known[branch].append((row, part))
        sizes = [sum(part for _, part in b) for b in known]
        for row, part in unknown:
            before = 0
            for b, size in enumerate(sizes):
                share = part * (before + size) // sum(sizes) - part * before // sum(sizes)
                before += size
                if share > 0:
                    known[b].append((row, share))
        return known

    def describe(self, node: dict[str, Any], cases: list[Case], parent_label: int) -> None:
        node["counts"] = self.counts(cases)
        node["label"] = node["counts"].index(max(node["counts"])) if cases else parent_label

    def leaf(self, node: dict[str, Any]) -> dict[str, Any]:
        return {"counts": node["counts"], "label": node["label"]}

    def wrong(self, node: dict[str, Any]) -> int:
        return sum(node["counts"]) - node["counts"][node["label"]]

    def errors(self, counts: list[int], wrong: int) -> float:
        e = wrong * self.unit
        return e + added_errors(sum(counts) * self.unit, e, self.confidence, self.exact)

    def grow(self, cases: list[Case], parent_label: int = 0) -> dict[str, Any]:
        node: dict[str, Any] = {}
        self.describe(node, cases, parent_label)
        n = sum(node["counts"]) * self.unit
        chosen = self.choose(cases) if self.wrong(node) and n >= 2 * self.min_obj - 1e-6 else None
        if chosen is None:
            return node
        node["feature"], test = chosen
        node.update({k: test[k] for k in ("gain", "threshold", "branches") if k in test})
        node["children"] = [{}] * (2 if "threshold" in test else max(test["branches"].values()) + 1)
        node["children"] = [self.grow(b, node["label"]) for b in self.divide(node, cases)]
        if self.collapse and self.wrong_below(node) * self.unit >= self.wrong(node) * self.unit - 1e-3:
            return self.leaf(node)
        return node

    def wrong_below(self, node: dict[str, Any]) -> int:
        if "children" not in node:
            return self.wrong(node)
        return sum(self.wrong_below(child) for child in node["children"])

    def estimate(self, node: dict[str, Any], cases: list[Case]) -> float:
        if not cases:
            return 0.0
        if "children" not in node:
            counts = self.counts(cases)
            return self.errors(counts, sum(counts) - max(counts))
        return sum(self.estimate(c, b) for c, b in zip(node["children"], self.divide(node, cases), strict=True))

    def pruned(self, node: dict[str, Any], cases: list[Case], parent_label: int) -> tuple[dict[str, Any], float]:
        """The sub-tree for these cases after pruning, and its estimate."""
        node = dict(node)
        self.describe(node, cases, parent_label)
        as_leaf = self.errors(node["counts"], self.wrong(node)) if cases else 0.0
        if "children" not in node:
            return node, as_leaf
        parts = self.divide(node, cases)
        done = [self.pruned(c, b, node["label"]) for c, b in zip(node["children"], parts, strict=True)]
        node["children"] = [child for child, _ in done]
        as_tree = sum(errors for _, errors in done)
        sizes = [sum(child["counts"]) for child in node["children"]]
        largest = max(i for i, size in enumerate(sizes) if size == max(sizes))
        as_branch = self.estimate(node["children"][largest], cases) if self.raising else math.inf
        if as_leaf <= as_branch + 0.1 and as_leaf <= as_tree + 0.1:
            return self.leaf(node), as_leaf
        if as_branch <= as_tree + 0.1:
            return self.pruned(node["children"][largest], cases, node["label"])
        return node, as_tree

    def tree(self) -> dict[str, Any]:
        root = self.grow(self.start)
        return self.pruned(root, self.start, 0)[0] if self.prune else root
