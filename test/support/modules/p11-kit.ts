// p11-kit between us and SoftHSM: a server that offers a token on a socket, for p11-kit-client.so,
// and the proxy, which loads what p11-kit is configured for. Used by test processes only.

import { join } from 'node:path';
import { plainly, type ModuleBed } from './module-bed.js';
import { startProcess } from '../process.js';
import type { Scope } from '../scope.js';
import { createSoftHsm, SOFTHSM_MODULE, type SoftHsm } from './softhsm.js';

interface P11KitBed extends ModuleBed {
  readonly hsm: SoftHsm;
}

/** A server in front of a new SoftHSM token. */
export async function startP11KitServer(scope: Scope): Promise<P11KitBed> {
  const bed = await behind(scope, 'p11-kit-client');
  const socket = join(bed.hsm.folder, 'p11');
  await startProcess(scope, {
    command: 'p11-kit',
    args: [
      ...['server', '--foreground', '--provider', SOFTHSM_MODULE, '--name', socket],
      `pkcs11:${bed.token}`,
    ],
    env: bed.hsm.env,
    waitFor: { socket },
  });
  return { ...bed, env: { P11_KIT_SERVER_ADDRESS: `unix:path=${socket}` } };
}

/** The proxy as Debian's packages configure it: with SoftHSM among its modules. */
export function createP11KitProxy(scope: Scope): Promise<P11KitBed> {
  return behind(scope, 'p11-kit-proxy');
}

async function behind(scope: Scope, moduleName: string): Promise<P11KitBed> {
  const hsm = await createSoftHsm(scope);
  const softHsmToken = await hsm.addToken('behind');
  return {
    moduleName,
    token: `token=${softHsmToken.label};serial=${softHsmToken.serial}`,
    env: hsm.env,
    pinFile: softHsmToken.pinFile,
    inside: plainly,
    hsm,
  };
}
