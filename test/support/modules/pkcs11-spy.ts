// OpenSC's pkcs11-spy between a helper and its module: counts calls. Used by test processes only.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SOFTHSM_MODULE, type SoftHsm } from './softhsm.js';

const SPY_MODULE = '/usr/lib/x86_64-linux-gnu/pkcs11-spy.so';

export interface Pkcs11Spy {
  /** What the process that starts the helper needs. */
  readonly env: Readonly<Record<string, string>>;
  /** The URI of a key in SoftHSM, seen through the spy. */
  readonly uri: (uri: string) => string;
  /** How often a function was called so far, by all helpers. */
  readonly calls: (name: string) => number;
}

/** Puts the spy in front of SoftHSM. */
export function spyOnSoftHsm(hsm: SoftHsm): Pkcs11Spy {
  const output = join(hsm.folder, 'spy.txt');
  return {
    env: { ...hsm.env, PKCS11SPY: SOFTHSM_MODULE, PKCS11SPY_OUTPUT: output },
    uri: (uri) => uri.replace(SOFTHSM_MODULE, SPY_MODULE),
    calls: (name) =>
      existsSync(output) ? readFileSync(output, 'utf8').split(`: ${name}\n`).length - 1 : 0,
  };
}
