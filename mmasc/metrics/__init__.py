"""Truth and answers → numbers, and figures of them."""
