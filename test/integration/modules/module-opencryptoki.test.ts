// The matrix of modules: opencryptoki's soft token.

import { describe, it } from 'node:test';
import { matrixCells } from '../../support/modules/module-matrix.js';
import { startOpencryptoki } from '../../support/modules/opencryptoki.js';

describe('matrix of modules: opencryptoki', () => {
  for (const { title, run } of matrixCells({
    moduleName: 'opencryptoki',
    start: startOpencryptoki,
  })) {
    it(title, run);
  }
});
