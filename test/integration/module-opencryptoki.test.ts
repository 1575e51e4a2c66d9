// The matrix of modules: opencryptoki's soft token.

import { describeMatrixRow } from '../support/module-matrix.js';
import { startOpencryptoki } from '../support/opencryptoki.js';

describeMatrixRow({ moduleName: 'opencryptoki', start: startOpencryptoki });
