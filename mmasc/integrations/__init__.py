"""mmasc's encoders and vectors in other packages: one module for each package, imported where it is used.

The other direction, models of other packages as encoders of mmasc, is in `mmasc.encoders.adapters`.
"""
