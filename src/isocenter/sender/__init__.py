"""Sending files: which ones, proposed how, transferred in which order, with what outcome."""
