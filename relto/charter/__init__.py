"""What parties agreed, as texts that people can review line by line.

* `read` turns the bytes of any text (charter, parties, law pack, cases) into a tree: `relto.charter.text`, the grammar.
* Every value is typed by its key: `source.root.take("since", date)`. What is not understood is refused with file, line
  and column.
"""

from relto.charter.text import Amount, Date, List, Map, Money, Node, Scalar, Span, Text, read

__all__ = ["Amount", "Date", "List", "Map", "Money", "Node", "Scalar", "Span", "Text", "read"]
