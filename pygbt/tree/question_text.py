# SPDX-License-Identifier: Apache-2.0
"""The questions of one node as lines of text: the one asked, its competitors and its surrogates."""

from __future__ import annotations

from .conditions import number_text
from .decision_tree import DecisionTree
from .questions import Question, questions_of

__all__ = ["question_lines"]


def question_lines(tree: DecisionTree, node: int, surrogates: bool, competitors: bool) -> list[str]:
    """Competitors with what they improve, surrogates with agreement and adjusted agreement."""
    asked, seconds, others = questions_of(tree, node)
    lines = []
    if asked is not None and competitors and others:
        rows = [(q, f"improve={number_text(q.improvement, 7)}") for q in [asked, *others]]
        lines += ["Primary splits:", *_aligned(rows)]
    if surrogates and seconds:
        rows = [(q, f"agree={q.agreement:.3f}, adj={q.adjusted:.3f}") for q in seconds]
        lines += ["Surrogate splits:", *_aligned(rows)]
    return lines


def _aligned(rows: list[tuple[Question, str]]) -> list[str]:
    names = max(len(q.name) for q, _ in rows)
    words = [_where(q) for q, _ in rows]
    width = max(len(text) for text in words)
    return [f"  {q.name:<{names}} {text:<{width}}  {fact}" for (q, fact), text in zip(rows, words, strict=True)]


def _where(q: Question) -> str:
    """Where the sides go: ``< 8.5 to the right`` of two children, ``a -> 1, b -> 2`` of more."""
    if q.cut is not None:
        return f"{q.cut.below} to the {'left' if q.low_child == 0 else 'right'},"
    if q.n_children == 2:
        return f"{q.branch_text(0)} to the left,"
    ways = [(child, q.branch_text(child)) for child in range(q.n_children) if q.branch_categories(child)]
    return "; ".join(f"{text} to child {child + 1}" for child, text in ways) + ","
