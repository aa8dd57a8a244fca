"""The shared form of both programs: tokens.css (custom properties), icons.svg, pictures.svg.

The Back Office serves :data:`DIRECTORY` as static files; the register mounts it under /static/design.
"""

from pathlib import Path

DIRECTORY = Path(__file__).parent

#: Names for ``CategoryRecord.colour`` and ``EmployeeRecord.colour``; each is ``--tint-<name>`` in tokens.css.
TINTS = ("stone", "sand", "clay", "rose", "plum", "lilac", "sky", "teal", "mint", "moss")

#: Names for ``ProductRecord.picture``; each is a symbol of pictures.svg.
PICTURES = (
    "coffee", "tea", "croissant", "bread", "cake", "cookie", "sandwich", "salad", "soup", "apple",
    "banana", "berry", "citrus", "carrot", "tomato", "potato", "onion", "mushroom", "milk", "cheese",
    "egg", "yoghurt", "bottle", "can", "juice", "wine", "beer", "chocolate", "candy", "icecream",
    "grain", "pasta", "jar", "honey", "fish", "meat", "soap", "paper", "flower", "bag", "box",
)  # fmt: skip
