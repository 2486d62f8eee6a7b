"""Class reports as scikit-learn prints them, which not every machine that runs these tests has."""

from __future__ import annotations

import numpy as np


def report_text(labels, predictions, *, names, digits=4):
    """Return a report in scikit-learn's layout, with 0 where it would divide by zero."""
    rows = [_rates(labels == k, predictions == k) for k in range(len(names))]
    supports = np.array([(labels == k).sum() for k in range(len(names))])
    width = max(len("weighted avg"), *map(len, names))
    lines = [
        f"{'':>{width}} "
        + "".join(f" {title:>9}" for title in ("precision", "recall", "f1-score", "support")),
        "",
    ]
    lines += [
        _line(name, row, count, width, digits) for name, row, count in zip(names, rows, supports, strict=True)
    ]
    accuracy = (labels == predictions).mean()
    lines += ["", f"{'accuracy':>{width}} {'':>9} {'':>9} {accuracy:>9.{digits}f} {len(labels):>9}"]
    lines.append(_line("macro avg", np.mean(rows, axis=0), len(labels), width, digits))
    lines.append(
        _line("weighted avg", np.average(rows, axis=0, weights=supports), len(labels), width, digits)
    )
    return "\n".join(lines) + "\n"


def _rates(true, guessed):
    both = (true & guessed).sum()
    precision = both / max(1, guessed.sum())
    recall = both / max(1, true.sum())
    return precision, recall, 2 * precision * recall / max(1e-300, precision + recall)


def _line(name, rates, count, width, digits):
    return f"{name:>{width}} " + "".join(f" {rate:>9.{digits}f}" for rate in rates) + f" {count:>9}"
