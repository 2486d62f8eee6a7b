"""Notebooks made by code, and the assignment they belong to."""

from __future__ import annotations

import json
from pathlib import Path

from grader.notebooks.written import find_answers, starter_of
from grader.rubric import load_rubric

ROOT = Path(__file__).resolve().parents[3]
STARTER = (ROOT / "student_template" / "hw1_s26_p4_5_6_starter.ipynb").read_bytes()
RUBRIC = load_rubric(ROOT / "grader" / "assignments" / "hw1" / "rubric.toml")
KNOWN = {question.id: question.title for question in RUBRIC.questions}
BEGUN = starter_of(STARTER, KNOWN)
PARTS = [part for question in RUBRIC.questions for part in question.written]


def text_cell(*lines, kind="markdown", **metadata):
    source = [f"{line}\n" for line in lines[:-1]] + list(lines[-1:])
    return {"cell_type": kind, "metadata": metadata, "source": source}


def book(*cells, **more):
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells, **more}).encode()


def answers(notebook, parts=PARTS, starter=BEGUN):
    return find_answers(notebook, parts, KNOWN, starter)


def texts(notebook):
    """Return what was found, of the parts of which something was."""
    return {part: answer.text for part, answer in answers(notebook).items() if answer.text}
