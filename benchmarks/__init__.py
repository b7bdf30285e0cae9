"""Measurements as programs."""
