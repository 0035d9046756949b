"""Decisions by class, for whole catalogues at once: behind check, bulk, who, what, impact and as-of.

Every rule declares the facts it reads. For one rule, items that agree in exactly those facts are one class, and so are
recipients; the rule runs once for each pair of such classes, and what it found is kept (`Cell`). All else is gathering:
an item class is the tuple of its classes under every rule, an answer the least of what the rules found. A law is asked
leaf by leaf in the same way, and its tests put together over whole columns.

* One truth: a cell runs the very rule that `judge` runs, on one item and one recipient of the class.
* A cell remembers what it read of the register (`World`). `after(register)` keeps every cell whose readings are as they
  were, and so one act touches only the classes that it concerns.
* Items have dense numbers in label order: those of one class lie side by side. Their names stand apart, in order, with
  one permutation each way.

Arrays: `int8` answers (0 deny, 1 undetermined, 2 permit), `int32` classes and numbers.

Source: contracts of the design, sections 4, 11, 12; facts of the design on attainable limits; spec/decision.md,
"Classes".
"""

from relto.release.kernel.kernel import Kernel, kernel_of
from relto.release.kernel.lists import Listed
from relto.release.kernel.shape import ANSWERS, PERMIT, Asking

__all__ = ["ANSWERS", "PERMIT", "Asking", "Kernel", "Listed", "kernel_of"]
