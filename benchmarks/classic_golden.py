# SPDX-License-Identifier: Apache-2.0
"""Golden numbers of the classical trees, and the tests that hold them."""

from __future__ import annotations

#: (what, the numbers in short, file of tests/, tests)
GOLDEN = (
    (
        "Golf, 14 rows: entropy, gains, split information, ratios",
        "0.9403; outlook 0.2467 / 1.5774 / 0.1564",
        "test_c45.py",
        ("test_golf_gains_and_ratios", "test_golf_nominal_tree", "test_golf_numeric"),
    ),
    (
        "Watermelon 2.0 and 3.0: gains, the textbook's tree",
        "texture 0.381; sugar 0.349 at 0.126",
        "test_c45.py",
        ("test_watermelon_gains", "test_watermelon_numbers"),
    ),
    (
        "ID3's trees of golf and watermelon 2.0",
        "the trees as printed",
        "test_id3.py",
        ("test_golf_tree", "test_watermelon_tree_of_the_textbook"),
    ),
    (
        "Error-based pruning: added errors, squared deviates",
        "CF .25: (6, 0) 1.2378 and more",
        "test_c45.py",
        ("test_added_errors", "test_squared_deviates"),
    ),
    (
        "J48's tree of iris leaf by leaf; vote; sizes of other trees",
        "5 leaves, size 9; 48/1, 3, 3/1, 46/1",
        "test_c45.py",
        ("test_iris_as_j48", "test_vote_as_j48_with_parts_of_cases", "test_sizes_of_j48"),
    ),
    (
        "rpart: questions, improvements, competitors, surrogates with agreement and adj, of every table",
        "kyphosis 6.762330, .802 / .158",
        "test_rpart.py",
        ("test_tables", "test_leaves_of_kyphosis", "test_watermelon_one_against_the_rest", "test_ten_loans"),
    ),
    (
        "rpart: cp tables of mileage, kyphosis (priors, losses), reliability, country (weights 3), solder",
        "xerror .6949, xstd .07808",
        "test_rpart_cp.py",
        (
            "test_mileage_by_weight",
            "test_kyphosis",
            "test_reliability_of_cars",
            "test_country_of_cars",
            "test_skips_of_solder",
        ),
    ),
    (
        "rpart: importances",
        "Start 64, Age 24, Number 12",
        "test_tree_reading.py",
        ("test_importances_that_rpart_prints",),
    ),
    (
        "rpart: loss and prior example, 15 rows",
        "x3 < 36 3.9876; x2 1.912; x1 .2905",
        "test_rpart.py",
        ("test_fifteen_rows",),
    ),
    (
        "The same by its cp table",
        "child risks .26667, .49333",
        "test_rpart_cp.py",
        ("test_losses_and_priors_of_fifteen_rows",),
    ),
    (
        "Pre-pruning of watermelon 2.0",
        "3/7 as a leaf, 5/7 after navel",
        "test_pruned_estimators.py",
        ("test_pre_pruning_of_the_watermelons",),
    ),
    (
        "Every split of every feature in exact arithmetic, all criteria of CART",
        "random cases",
        "test_cart.py",
        ("test_root_question", "test_whole_trees"),
    ),
    (
        "The same of C4.5 and ID3, pruning and raised branches included",
        "random cases",
        "test_c45_oracle.py",
        (
            "test_c45_grows_the_oracles_tree",
            "test_pruned_trees_with_raised_branches",
            "test_id3_grows_the_oracles_tree",
        ),
    ),
    (
        "scikit-learn's trees node by node",
        "all criteria, limits, missing values",
        "test_cart_peers.py",
        ("test_one_column_gives_the_same_tree", "test_the_same_tree"),
    ),
)
