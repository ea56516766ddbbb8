"""The demo: a folder of sounds embedded, searched, labelled, and shown on one page.

run.py does the work, page_content.py collects what the page shows, page.py writes it (with parts.py, library.py,
map_part.py).
"""
