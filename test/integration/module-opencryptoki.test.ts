// The matrix of modules: opencryptoki's soft token.

import { describe, it } from 'node:test';
import { matrixCells } from '../support/module-matrix.js';
import { startOpencryptoki } from '../support/opencryptoki.js';

describe('matrix of modules: opencryptoki', () => {
  for (const { title, run } of matrixCells({
    moduleName: 'opencryptoki',
    start: startOpencryptoki,
  })) {
    it(title, run);
  }
});
