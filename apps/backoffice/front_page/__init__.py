"""The front page of the back office: how sales, lines and the machinery are doing, as of a moment ago."""
