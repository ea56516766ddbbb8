"""Text → safe HTML, and the style sheet that all pages share."""
