"""What the tests and pictures draw, as strokes: lists of points in shares of the sheet's sides."""


def smooth(points, count=6):
    """More points between the points, as a hand makes them."""
    between = [(a[0] + (b[0] - a[0]) * step / count, a[1] + (b[1] - a[1]) * step / count)
               for a, b in zip(points, points[1:]) for step in range(count)]
    return [*between, points[-1]]


def placed(strokes, left, top, width, height):
    """Strokes scaled into a part of the sheet."""
    return [[(left + x * width, top + y * height) for x, y in stroke] for stroke in strokes]


# The middle of the ink in the first image of MNIST's test set, which shows a 7, in pixels of its 28×28.
_INK = [(7.3, 8.3), (9.5, 8.5), (13.5, 9.1), (17.5, 9.3), (20.8, 9.7), (20.7, 10.8), (19.8, 12.0), (19.2, 13.0), (18.1, 14.5), (17.0, 16.7),
        (16.0, 18.5), (14.7, 20.5), (13.5, 22.5), (12.7, 24.0), (11.8, 26.5)]
SEVEN = [smooth([(x / 28, y / 28) for x, y in _INK], 3)]

ONE = [smooth([(0.52, 0.12), (0.5, 0.5), (0.48, 0.88)])]

THREE = [smooth([(0.3, 0.2), (0.45, 0.12), (0.6, 0.15), (0.66, 0.27), (0.58, 0.4), (0.45, 0.46), (0.6, 0.52), (0.7, 0.66), (0.64, 0.82),
                 (0.48, 0.88), (0.32, 0.83)])]

# No digit.
SCRIBBLE = [smooth([(0.2, 0.3), (0.8, 0.35), (0.25, 0.45), (0.8, 0.5), (0.2, 0.6), (0.75, 0.68), (0.3, 0.75), (0.7, 0.4), (0.5, 0.2)], 3)]
