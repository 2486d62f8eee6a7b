"""Homework 1: mytorch, and experiments with it."""
