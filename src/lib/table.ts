// Tables for people, in messages and on the terminal. Pure.
// Cells may be foreign text: control characters are escaped, and long ones are cut.

import { printable } from './printable.js';

const MAX_CELL_LENGTH = 40;

/** Lines of columns of equal width; an empty cell is shown as a dash. */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const cells = [
    head,
    ...rows.map((row) => row.map((cell) => printable(cell, MAX_CELL_LENGTH) || '-')),
  ];
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
