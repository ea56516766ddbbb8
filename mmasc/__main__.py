"""`python -m mmasc` and the `mmasc` command."""

import signal

# Ctrl-C while modules are still being imported, before there is anything to keep, ends the process without a word
# (status 130): Python would show a traceback. `main` sets its own handler. A process that ignores it goes on doing so
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from mmasc.cli import main

if __name__ == "__main__":
    main()
