"""The service: trained runs behind HTTP, and a page for people without a terminal.

It knows requests, workers, streams and jobs; what a worker computes is handed in by `tasks/`.
"""
