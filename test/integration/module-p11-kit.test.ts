// The matrix of modules: p11-kit's client to a server, and its proxy; SoftHSM is behind both.

import { describeMatrixRow } from '../support/module-matrix.js';
import { createP11KitProxy, startP11KitServer } from '../support/p11-kit.js';

describeMatrixRow({ moduleName: 'p11-kit-client', start: startP11KitServer });
describeMatrixRow({ moduleName: 'p11-kit-proxy', start: createP11KitProxy });
