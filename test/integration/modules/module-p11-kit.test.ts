// The matrix of modules: p11-kit's client to a server, and its proxy; SoftHSM is behind both.

import { describe, it } from 'node:test';
import { matrixCells } from '../../support/modules/module-matrix.js';
import { createP11KitProxy, startP11KitServer } from '../../support/modules/p11-kit.js';

describe('matrix of modules: p11-kit-client', () => {
  for (const { title, run } of matrixCells({
    moduleName: 'p11-kit-client',
    start: startP11KitServer,
  })) {
    it(title, run);
  }
});

describe('matrix of modules: p11-kit-proxy', () => {
  for (const { title, run } of matrixCells({
    moduleName: 'p11-kit-proxy',
    start: createP11KitProxy,
  })) {
    it(title, run);
  }
});
