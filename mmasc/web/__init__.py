"""`mmasc serve`: a page on this machine over one or several collections. Needs the extra `web` (FastAPI, uvicorn).

- the server: serve.py starts it, app.py puts the endpoints together, guard.py refuses requests of other sites and
  users (token, Host, Origin, size), keys.py holds the token, faults.py turns errors into answers, bodies.py describes
  requests
- state: state.py (`Session`: one collection and one worker thread), rooms.py (several collections), view.py,
  cache.py, worker.py, jobs.py (long work), library.py (jobs on the whole collection)
- endpoints: about.py, search.py (with allowed.py: filters), recordings.py, sounds.py (audio), pictures.py
  (spectrograms), timeline.py, annotations.py, learn.py and learning.py, heads.py, map.py, activity.py, export.py,
  uploads.py
- app/: the page itself, HTML, style sheets and JavaScript modules without a build step
"""
