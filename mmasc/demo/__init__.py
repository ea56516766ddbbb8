"""The demo: a folder of sounds embedded, searched, labelled, and shown on one page."""
