// Runs in clavigerd and `clavigerd key`: the helpers of one module start one after another, for
// modules that keep files (SoftHSM) race when several processes open them together.

/** By the path of the module: the start that was asked for last. */
const lastStarts = new Map<string, Promise<unknown>>();

/** Runs `start` once the starts that were asked for before have succeeded or failed. */
export function startInTurn<T>(modulePath: string, start: () => Promise<T>): Promise<T> {
  const result = (lastStarts.get(modulePath) ?? Promise.resolve()).then(start);
  lastStarts.set(
    modulePath,
    result.catch(() => undefined),
  );
  return result;
}
