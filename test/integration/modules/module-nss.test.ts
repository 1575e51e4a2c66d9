// The matrix of modules: NSS softokn.

import { describe, it } from 'node:test';
import { matrixCells } from '../../support/modules/module-matrix.js';
import { createNss } from '../../support/modules/nss.js';

describe('matrix of modules: nss-softokn', () => {
  for (const { title, run } of matrixCells({ moduleName: 'nss-softokn', start: createNss })) {
    it(title, run);
  }
});
