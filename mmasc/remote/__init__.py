"""Addresses (s3://, gs://, https://) → files on this machine: named, listed, looked at and fetched.

addresses.py and paths.py: names; stores.py (s3, gs) and web.py (https): the requests; fetch.py and copies.py:
temporary copies, within limits.py; seen.py and sightings.py: size and ETag that a server gave, by which unchanged
objects are known.
"""
