"""`mmasc serve`: a page on this machine over one collection. Needs the extra `web` (FastAPI, uvicorn)."""
