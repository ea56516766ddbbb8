"""mmasc's encoders and vectors in other packages: one module for each package, imported where it is used."""
