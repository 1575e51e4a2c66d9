// The matrix of modules: tpm2-pkcs11 on a TPM in software.

import { describeMatrixRow } from '../support/module-matrix.js';
import { startTpm } from '../support/tpm.js';

describeMatrixRow({ moduleName: 'tpm2-pkcs11', start: startTpm });
