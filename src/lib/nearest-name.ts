// The known name that a mistyped one most likely means. Pure; for error messages alone.

/** A name that begins with the other one, `certificate` for `cert`, counts as this near. */
const SHORTEST_PREFIX = 3;
const PREFIX_DISTANCE = 2.5;

/**
 * @returns undefined where no known name is near: within a third of its length, or two letters at
 *   most.
 */
export function nearestName(typed: string, known: Iterable<string>): string | undefined {
  const wanted = typed.toLowerCase().replaceAll('_', '-');
  let nearest: { readonly name: string; readonly distance: number } | undefined;
  for (const name of known) {
    const isBeginning =
      wanted.length >= SHORTEST_PREFIX && (name.startsWith(wanted) || wanted.startsWith(name));
    const letters = editDistance(wanted, name);
    const isNear = letters <= Math.min(2, Math.ceil(name.length / 3));
    const distance = isNear ? letters : isBeginning ? PREFIX_DISTANCE : Infinity;
    if (distance < (nearest?.distance ?? Infinity)) {
      nearest = { name, distance };
    }
  }
  return nearest?.name;
}

/** Letters to insert, drop, change or swap with their neighbour (optimal string alignment). */
function editDistance(from: string, to: string): number {
  if (Math.abs(from.length - to.length) > 2) {
    return Infinity;
  }
  let before: readonly number[] = [];
  let last: readonly number[] = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let row = 1; row <= from.length; row += 1) {
    const line = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const isSame = from[row - 1] === to[column - 1];
      const isSwap =
        row > 1 &&
        column > 1 &&
        from[row - 1] === to[column - 2] &&
        from[row - 2] === to[column - 1];
      line.push(
        Math.min(
          (last[column] ?? 0) + 1,
          (line[column - 1] ?? 0) + 1,
          (last[column - 1] ?? 0) + (isSame ? 0 : 1),
          isSwap ? (before[column - 2] ?? 0) + 1 : Infinity,
        ),
      );
    }
    [before, last] = [last, line];
  }
  return last[to.length] ?? Infinity;
}
