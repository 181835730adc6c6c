"""Contact sheets: the same moment by all methods, side by side."""

import cv2
import numpy as np

CELL = 300
"""Width of a picture on a sheet, in pixels."""
ROWS = 5
"""Items on one sheet."""
LABEL = 20


def labelled(picture, text):
    """A picture at the sheet's width with a line of text above."""
    height = max(1, round(picture.shape[0] * CELL / picture.shape[1]))
    small = cv2.resize(picture, (CELL, height), interpolation=cv2.INTER_AREA)
    head = np.full((LABEL, CELL, 3), 255, np.uint8)
    cv2.putText(head, text, (4, LABEL - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack((head, small))


def sheet(rows):
    """Rows of (text, picture) on one picture; `ROWS` of them at most go on well."""
    drawn = []
    for row in rows:
        cells = [labelled(picture, text) for text, picture in row]
        height = max(cell.shape[0] for cell in cells)
        cells = [np.pad(c, ((0, height - len(c) + 6), (0, 6), (0, 0)), constant_values=255) for c in cells]
        drawn.append(np.hstack(cells))
    width = max(row.shape[1] for row in drawn)
    return np.vstack([np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0)), constant_values=255) for r in drawn])
