// Tables for people, in messages and on the terminal. Pure.
// Cells may be foreign text: control characters are escaped, and long ones are cut.

import { printable } from './printable.js';

const MAX_CELL_LENGTH = 40;

/**
 * Lines of columns of equal width; an empty cell is shown as a dash.
 * @param maxCellLength in characters; what is longer is cut
 */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  maxCellLength = MAX_CELL_LENGTH,
): readonly string[] {
  const cells = [
    head,
    ...rows.map((row) => row.map((cell) => printable(cell, maxCellLength) || '-')),
  ];
  const widths = head.map((_, column) =>
    cells.reduce((width, row) => Math.max(width, row[column]?.length ?? 0), 0),
  );
  return cells.map((row) => formatRow(row, widths));
}

/**
 * One line of a table whose widths are known beforehand: for rows that are printed as they come.
 * @param cells escaped already; a longer one moves the rest of its line
 */
export function formatRow(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, column) => cell.padEnd(widths[column] ?? 0))
    .join('  ')
    .trimEnd();
}
