// The matrix of modules: a virtual PIV card through OpenSC and through YKCS11. Its keys are made by
// the card: neither module makes one for a user who has logged in with a PIN.

import { describe, it } from 'node:test';
import { plainly, type ModuleBed } from '../../support/modules/module-bed.js';
import { matrixCells } from '../../support/modules/module-matrix.js';
import { startPivCard, type PivModule } from '../../support/modules/piv-card.js';
import type { Scope } from '../../support/scope.js';

const MODULES: readonly PivModule[] = ['opensc', 'ykcs11'];
/** CKA_ID of slots 9a, 9c (whose key wants the PIN for each signature) and 9e. */
const PRESENT = { rsa2048: '01', p256: '02', p384: '04' };

async function start(moduleName: PivModule, scope: Scope): Promise<ModuleBed> {
  const bed = await startPivCard(scope, { '9a': 'rsa2048', '9c': 'p256', '9e': 'p384' });
  return { moduleName, token: '', env: bed.env, pinFile: bed.card.pinFile, inside: plainly };
}

for (const moduleName of MODULES) {
  describe(`matrix of modules: ${moduleName}`, () => {
    const row = {
      moduleName,
      present: PRESENT,
      start: (scope: Scope) => start(moduleName, scope),
    };
    for (const { title, run } of matrixCells(row)) {
      it(title, run);
    }
  });
}
