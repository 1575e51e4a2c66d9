// Runs in the token helper, for `clavigerd key` alone: hands each administrative request to its
// function. Imported for the first such request, never for signing.

import type pkcs11js from 'pkcs11js';
import { attestKey } from './attest.js';
import { deleteKey } from './delete.js';
import { importKey } from './import.js';
import { changePin, logInOfficer, unblockPin } from './pin.js';
import { initToken } from './token.js';
import type { OpenToken } from '../attributes.js';
import type { AdminRequest, HelperResult } from '../messages.js';

interface AdminState {
  readonly lib: pkcs11js.PKCS11;
  /** @throws AppError TOKEN_FAILED when no session is open */
  readonly opened: () => OpenToken;
}

/** Does one request. @throws AppError TOKEN_* */
export function administer(request: AdminRequest, { lib, opened }: AdminState): HelperResult {
  switch (request.op) {
    case 'init-token':
      return { kind: 'token', token: initToken(lib, request) };
    case 'import-key':
      return { kind: 'key', key: importKey(opened(), request) };
    case 'delete-key':
      return { kind: 'deleted', ...deleteKey(opened(), request) };
    case 'attest': {
      const certificates = attestKey(opened(), request);
      return {
        kind: 'certificates',
        certificates: certificates.map((der) => der.toString('base64')),
      };
    }
    case 'login-officer':
      logInOfficer(opened(), request.soPin);
      return { kind: 'done' };
    case 'change-pin':
      changePin(opened(), request.pin, request.newPin);
      return { kind: 'done' };
    case 'unblock-pin':
      unblockPin(opened(), request.newPin);
      return { kind: 'done' };
  }
}
