# SPDX-License-Identifier: Apache-2.0
"""Small models that learn from large ones.

>>> from pygbt.distill import Teacher, distill
>>> result = distill(Teacher(RandomForestClassifier()), {"max_leaves": 16, "num_boost_round": 50}, X, y)
>>> result.predict_proba(X_new)
>>> print(result.report_)
"""
