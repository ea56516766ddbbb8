"""Bundled prompt files, as data; `mmasc.prompts` lists and reads them."""
