"""One party's node: it logs its people in, decides, releases, and talks to the nodes of the other parties."""
