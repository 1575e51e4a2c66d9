// A token as a helper describes it. Used by test processes only.

import type { TokenInfo } from '../../../src/token/messages.js';

export const TOKEN_INFO: TokenInfo = {
  label: 'acme',
  serial: 'a1b2',
  manufacturer: 'maker',
  model: 'model',
  slotId: 1,
  initialized: true,
  loginRequired: true,
  pinState: 'ok',
};
