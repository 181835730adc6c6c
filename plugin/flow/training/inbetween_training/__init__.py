"""Training of Flow's network on scenes that this package draws itself.

Axes in shapes: `b` samples, `l` layers of a scene, `h` rows, `w` columns, `c` channels. Pictures are
RGB in 0..=1, `[b, 3, h, w]`; flows are in pixels of the grid that they are stored on, right then
down, `[b, 2, h, w]`, and point from a pixel to the place that shows the same thing in the other picture.
"""
