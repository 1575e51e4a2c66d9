// The matrix of modules: NSS softokn.

import { describeMatrixRow } from '../support/module-matrix.js';
import { createNss } from '../support/nss.js';

describeMatrixRow({ moduleName: 'nss-softokn', start: createNss });
