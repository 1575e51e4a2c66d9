// The matrix of modules: SoftHSM.

import { describe, it } from 'node:test';
import { plainly, type ModuleBed } from '../../support/modules/module-bed.js';
import { matrixCells } from '../../support/modules/module-matrix.js';
import type { Scope } from '../../support/scope.js';
import { createSoftHsm } from '../../support/modules/softhsm.js';

async function start(scope: Scope): Promise<ModuleBed> {
  const hsm = await createSoftHsm(scope);
  const { label, serial, pinFile } = await hsm.addToken('matrix');
  return {
    moduleName: 'softhsm2',
    token: `token=${label};serial=${serial}`,
    env: hsm.env,
    pinFile,
    inside: plainly,
  };
}

describe('matrix of modules: softhsm2', () => {
  for (const { title, run } of matrixCells({ moduleName: 'softhsm2', start })) {
    it(title, run);
  }
});
