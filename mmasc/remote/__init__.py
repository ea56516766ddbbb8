"""Addresses (s3://, gs://, https://) → files on this machine: named, listed, looked at and fetched."""
