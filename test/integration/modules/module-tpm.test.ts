// The matrix of modules: tpm2-pkcs11 on a TPM in software.

import { describe, it } from 'node:test';
import { matrixCells } from '../../support/modules/module-matrix.js';
import { startTpm } from '../../support/modules/tpm.js';

describe('matrix of modules: tpm2-pkcs11', () => {
  for (const { title, run } of matrixCells({ moduleName: 'tpm2-pkcs11', start: startTpm })) {
    it(title, run);
  }
});
