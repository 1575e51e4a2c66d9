// Limits the memory of V8 for short-lived objects. Runs in clavigerd, at start.

import { setFlagsFromString } from 'node:v8';

/**
 * Keeps V8's space for new objects at the size that it has now. It would double when clients ask
 * for much, up to 16 MiB and as much again to copy into, never to be given back, for few
 * collections less.
 */
export function keepYoungGenerationSmall(): void {
  // V8 looks at it whenever the space could grow; all versions that package.json allows have it.
  setFlagsFromString('--semi-space-growth-factor=1');
}
