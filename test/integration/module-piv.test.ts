// The matrix of modules: a virtual PIV card through OpenSC and through YKCS11. Its keys are made by the card:
// neither module makes one for a user who has logged in with a PIN.

import { plainly } from '../support/module-bed.js';
import { describeMatrixRow } from '../support/module-matrix.js';
import { startPivCard, type PivModule } from '../support/piv-card.js';

const MODULES: readonly PivModule[] = ['opensc', 'ykcs11'];

for (const moduleName of MODULES) {
  describeMatrixRow({
    moduleName,
    present: { rsa2048: '01', p256: '02', p384: '04' },
    start: async (scope) => {
      const bed = await startPivCard(scope, { '9a': 'rsa2048', '9c': 'p256', '9e': 'p384' });
      const { env, card } = bed;
      return { moduleName, token: '', env, pinFile: card.pinFile, inside: plainly };
    },
  });
}
