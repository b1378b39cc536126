"""Tell the class of an object on a tree, from labels of different precision: "galaxy" here, "SBc" there.

Source: Brust, Barz & Denzler 2020, "Making Every Label Count: Handling Semantic Imprecision by Integrating Domain
Knowledge" (ICPR 2020, arXiv 2010.06469): a label that is no leaf says nothing about what lies below it, and what is
predicted is a leaf. The probability of a child where its parent is given is a softmax among its siblings, as in Redmon
& Farhadi 2017 (arXiv 1612.08242), section 4, so that probabilities sum along the tree. Hierarchical F1: Kiritchenko et
al. 2006, AI 2006, LNCS 4013, 395.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import KerasTensor, ops

from astrokeras.errors import AstrokerasError
from astrokeras.models.outputs import TreeProbabilities, most_probable, tree_log_probabilities
from astrokeras.records.directory import RecordsDirectory
from astrokeras.spec import ColumnNames, File, Parameter
from astrokeras.tasks.known import KnownMean
from astrokeras.tasks.label_columns import LABEL, LabelColumns, Labels, in_text
from astrokeras.tasks.logistic import logistic_regression
from astrokeras.tasks.target import TARGETS, Encoded, Output, Target
from astrokeras.tasks.trees import Tree
from astrokeras.tasks.written import text
from astrokeras.text import printable

_OPTION = "--target hierarchy"


@TARGETS.register("hierarchy")
class Hierarchy(Target):
    """Classification into the nodes of a tree.

    Args:
        tree: of the classes.
        column: of the labels, which name any node.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (ColumnNames("labels", default=(LABEL,)), File("tree", ""))
    legend = "accuracy: share of the labelled nodes that the predicted leaf lies below, or is"
    constant_name: ClassVar[str] = "always the shares of all"
    main_score: ClassVar[str] = "hierarchical_f1"

    def __init__(self, tree: Tree, column: str) -> None:
        self.tree, self.column = tree, column
        self._leaves, self._ancestors = tree.leaves, tree.ancestors

    @classmethod
    def columns(cls, labels: tuple[str, ...] = (LABEL,), tree: str = "") -> tuple[str, ...]:
        """Return the column of the labels."""
        return labels

    @classmethod
    def fit(
        cls,
        records: RecordsDirectory,
        columns: LabelColumns,
        size: int,
        *,
        names: Labels,
        tree: str = "",
        **options: Any,
    ) -> Self:
        """Read the tree; without one, labels are paths such as ``galaxy/spiral/Sb``.

        Raises:
            AstrokerasError: there are several columns, a label that is no node, or fewer than two nodes to tell.
            UsageError: the tree is none.
        """
        chosen = options.get("labels", (LABEL,))
        if len(chosen) > 1:
            raise AstrokerasError(f"{_OPTION}({','.join(chosen)}): expected one column; give --target for each")
        found = names.distinct(chosen[0])
        if not found:
            raise AstrokerasError(f"the train split has no labels in the column {chosen[0]}")
        nodes = Tree.read(tree, _OPTION) if tree else Tree.of_paths(found, _OPTION)
        if other := sorted(set(found) - set(nodes.names)):
            listed = ", ".join(printable(name) for name in other[:10])
            raise AstrokerasError(
                f"labels in the column {chosen[0]} stand in no node of {tree}: {listed}; add them to it, or leave them "
                "empty in the table"
            )
        target = cls(nodes, chosen[0])
        present = np.unique(target.encode(columns)[target.derived_fields[0]])
        if np.sum(present >= 0) < 2:
            raise AstrokerasError(f"the train split has fewer than two classes in the column {chosen[0]}")
        return target

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """See `Target.from_config`."""
        return cls(Tree.from_config(config["tree"]), text(config, "column"))

    @property
    def config(self) -> dict[str, Any]:
        """The tree and the column."""
        return {"tree": self.tree.config, "column": self.column}

    @property
    def width(self) -> int:
        """The number of nodes."""
        return len(self.tree.names)

    @property
    def derived_fields(self) -> tuple[str, ...]:
        """``hierarchy:COLUMN``."""
        return (f"hierarchy:{self.column}",)

    def encode(self, labels: LabelColumns) -> dict[str, np.ndarray]:
        """Return the number of the node, [N] int32; -1 where missing, or no node."""
        values = labels[self.column]
        places = {name: place for place, name in enumerate(self.tree.names)}
        codes = np.array([places.get(name, -1) for name in in_text(np.ma.getdata(values)).tolist()], np.int32)
        return {self.derived_fields[0]: np.where(np.ma.getmaskarray(values), np.int32(-1), codes)}

    def head(self, embeddings: list[KerasTensor]) -> KerasTensor:
        """Return the logits of the nodes among their siblings, [N, V], by one linear layer."""
        return keras.layers.Dense(len(self.tree.names), dtype="float32", name="logits")(embeddings[0])

    def activate(self, prediction: KerasTensor) -> KerasTensor:
        """Return the probabilities of the nodes, [N, V]; those of siblings sum to that of their parent."""
        return TreeProbabilities(self.tree.parents, name="probabilities")(prediction)

    def loss(self, target: KerasTensor, prediction: KerasTensor) -> KerasTensor:
        """Return minus the logarithm of the probability of the labelled node; 0 without a label."""
        known = target >= 0
        hot = ops.one_hot(ops.where(known, target, 0), len(self.tree.names))
        told = tree_log_probabilities(prediction, self.tree.parents)
        return -ops.sum(hot * told, axis=-1) * ops.cast(known, "float32")

    @property
    def score_names(self) -> tuple[str, ...]:
        """``accuracy``."""
        return ("accuracy",)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return the share of the labelled nodes that are on the path to the most probable leaf."""
        depth = self.tree.depths - 1

        def hits(target: KerasTensor, prediction: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
            told = tree_log_probabilities(prediction, self.tree.parents)
            leaf = ops.take(self._leaves.astype(np.int32), ops.argmax(ops.take(told, self._leaves, axis=1), axis=1))
            node = ops.where(target >= 0, target, 0)
            path = ops.take(self._ancestors.astype(np.int32), leaf, axis=0)
            here = ops.one_hot(ops.take(depth.astype(np.int32), node), path.shape[1], dtype="int32")
            met = ops.equal(ops.sum(path * here, axis=1), ops.cast(node, "int32"))
            return ops.cast(met, "float32"), ops.cast(target >= 0, "float32")

        return [KnownMean("accuracy", hits)]

    def known(self, fields: Encoded) -> np.ndarray:
        """See `Target.known`."""
        return self.strata(fields) >= 0

    def strata(self, fields: Encoded) -> np.ndarray:
        """Return the nodes, [N] int32."""
        return fields[self.derived_fields[0]]

    def probe(self, features: np.ndarray, fields: Encoded, seed: int) -> list[np.ndarray]:
        """Return kernel [D, V] and bias [V]: a logistic regression among the children of each node."""
        kernel = np.zeros((features.shape[1], len(self.tree.names)), np.float32)
        bias = np.zeros(len(self.tree.names), np.float32)
        for parent, children in self.tree.families.items():
            below = self._below(fields, parent, children)
            known = below >= 0
            present = np.unique(below[known])
            if len(present) > 1:
                weights = logistic_regression(features[known], below[known], len(children), seed)
                kernel[:, children], bias[children] = weights
            elif len(present) == 1:
                bias[children[present]] = np.log(known.sum() + 1.0)
        return [kernel, bias]

    def _below(self, fields: Encoded, parent: int, children: np.ndarray) -> np.ndarray:
        """Return which of the children of a node lies on the path to each label, [N]; -1 where none does."""
        codes = self.strata(fields)
        depth = 0 if parent < 0 else self.tree.depths[parent]
        path = np.where(codes >= 0, self._ancestors[codes, depth], -1)
        found = np.searchsorted(children, path)
        return np.where(np.isin(path, children), found, -1)

    def outputs(self) -> tuple[Output, ...]:
        """``COLUMN``, the most probable leaf, ``COLUMN_path`` to it, and ``p_NODE`` for each node."""
        chances = (Output(f"p_{name}", None, f"probability of {name}") for name in self.tree.names)
        leaf = Output(self.column, None, f"most probable leaf of {self.column}", self.tree.names)
        path = Output(f"{self.column}_path", None, "the path to it from the top", self.tree.paths)
        return (leaf, path, *chances)

    def told(self, prediction: KerasTensor) -> dict[str, KerasTensor]:
        """Return the most probable leaf, the path to it, and the probabilities of all nodes."""
        leaves = self._leaves.astype(np.int32)
        leaf = ops.take(leaves, most_probable(ops.take(prediction, leaves, axis=1)))
        chances = {f"p_{name}": prediction[:, i] for i, name in enumerate(self.tree.names)}
        return {self.column: leaf, f"{self.column}_path": leaf, **chances}

    def _leaf(self, prediction: np.ndarray) -> np.ndarray:
        return self._leaves[prediction[:, self._leaves].argmax(axis=1)]

    def scores(self, fields: Encoded, prediction: np.ndarray) -> dict[str, float]:
        """Return the hierarchical F1, the accuracy, and that at each depth.

        A leaf is predicted. At a depth count the labels that reach it. For F1 the path to the leaf is cut where the
        label ends: what lies below is not known.
        """
        depths = self._ancestors.shape[1]
        known = self.known(fields)
        truth = self._ancestors[self.strata(fields)[known]]
        told = np.where(truth >= 0, self._ancestors[self._leaf(prediction[known])], -1)
        met = (told == truth) & (truth >= 0)
        reach = (truth >= 0).sum(axis=0)
        named = np.sum(told >= 0) + np.sum(truth >= 0)
        return {
            "hierarchical_f1": float(2 * met.sum() / named) if named else float("nan"),
            "accuracy": float((met | (truth < 0)).all(axis=1).mean()) if known.any() else float("nan"),
            **{f"accuracy_{d + 1}": float(met[:, d].sum() / reach[d]) if reach[d] else np.nan for d in range(depths)},
        }

    def constant(self, fields: Encoded) -> np.ndarray:
        """Return the shares of the nodes, [1, V]: of those whose label lies below a node, below each child of it."""
        shares = np.zeros(len(self.tree.names))
        for parent, children in self.tree.families.items():
            below = self._below(fields, parent, children)
            counts = np.bincount(below[below >= 0], minlength=len(children)) + 1e-6
            shares[children] = counts / counts.sum() * (1.0 if parent < 0 else shares[parent])
        return shares[None].astype(np.float32)
