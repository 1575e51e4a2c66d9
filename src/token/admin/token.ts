// Runs in the token helper, for `clavigerd key`: initialises a blank token. Never one that is
// initialised already, whose keys would be destroyed: its state is read again immediately before.

import pkcs11js from 'pkcs11js';
import { AppError } from '../../lib/errors.js';
import { assertPinLength } from './pin.js';
import type { TokenInfo } from '../messages.js';
import { callToken } from '../pkcs11-failure.js';
import { listTokens } from '../tokens.js';

interface NewToken {
  readonly slotId: number;
  readonly label: string;
  readonly soPin: string;
  readonly pin: string;
}

/** CK_TOKEN_INFO.label, padded with blanks (PKCS#11 2.40 §3.2). */
const LABEL_BYTES = 32;

/**
 * C_InitToken and C_InitPIN; returns the token as it is then.
 * @throws AppError TOKEN_NOT_FOUND when the slot holds no token, or one that is initialised;
 *   TOKEN_FAILED
 */
export function initToken(lib: pkcs11js.PKCS11, wanted: NewToken): TokenInfo {
  const slot = blankSlot(lib, wanted.slotId);
  const label = paddedLabel(wanted.label);
  assertPinLength(lib, slot, wanted.soPin, 'the SO PIN');
  assertPinLength(lib, slot, wanted.pin, 'the PIN');
  callToken('C_InitToken', () => {
    lib.C_InitToken(slot, wanted.soPin, label);
  });
  setUserPin(lib, slot, wanted);
  const made = listTokens(lib).find(({ info }) => info.slotId === wanted.slotId);
  if (made?.info.initialized !== true) {
    throw new AppError('TOKEN_FAILED', 'token: initialised, but it does not say so afterwards');
  }
  return made.info;
}

function blankSlot(lib: pkcs11js.PKCS11, slotId: number): pkcs11js.Handle {
  const token = listTokens(lib).find(({ info }) => info.slotId === slotId);
  if (token === undefined) {
    throw new AppError('TOKEN_NOT_FOUND', `token: none is in slot ${slotId} any more`);
  }
  if (token.info.initialized) {
    throw new AppError(
      'TOKEN_NOT_FOUND',
      `token: the one in slot ${slotId} is initialised already`,
      {
        hint: 'initialising it again would destroy its keys, and is not done here',
      },
    );
  }
  return token.slot;
}

function paddedLabel(label: string): string {
  const free = LABEL_BYTES - Buffer.byteLength(label, 'utf8');
  if (free < 0 || label === '') {
    throw new AppError('TOKEN_FAILED', `token: a label has 1 to ${LABEL_BYTES} bytes`);
  }
  return label + ' '.repeat(free);
}

function setUserPin(lib: pkcs11js.PKCS11, slot: pkcs11js.Handle, { soPin, pin }: NewToken): void {
  const flags = pkcs11js.CKF_SERIAL_SESSION | pkcs11js.CKF_RW_SESSION;
  const session = callToken('C_OpenSession', () => lib.C_OpenSession(slot, flags));
  callToken('C_Login of the security officer', () => {
    lib.C_Login(session, pkcs11js.CKU_SO, soPin);
  });
  callToken('C_InitPIN', () => {
    lib.C_InitPIN(session, pin);
  });
  // While a session of the security officer is open, the user cannot log in (PKCS#11 2.40 §5.6).
  callToken('C_CloseSession', () => {
    lib.C_CloseSession(session);
  });
}
