// The matrix of modules: SoftHSM.

import { plainly } from '../support/module-bed.js';
import { describeMatrixRow } from '../support/module-matrix.js';
import { createSoftHsm } from '../support/softhsm.js';

describeMatrixRow({
  moduleName: 'softhsm2',
  start: async (scope) => {
    const hsm = await createSoftHsm(scope);
    const { label, serial, pinFile } = await hsm.addToken('matrix');
    return {
      moduleName: 'softhsm2',
      token: `token=${label};serial=${serial}`,
      env: hsm.env,
      pinFile,
      inside: plainly,
    };
  },
});
