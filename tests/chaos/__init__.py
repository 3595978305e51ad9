"""Kills processes and breaks calls for a while, then counts what was lost, doubled or out of order.

python -m tests.chaos [--seconds 60] [--mentions 300] [--seed 1]
"""
