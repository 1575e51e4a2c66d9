// Runs in `clavigerd --check`: checks what opening a key would need (the module of a token, the
// file of a key, the source of its PIN) without opening it, for a check must not use up a try of a
// PIN. Secrets that are read are wiped at once.

import { accessSync, constants } from 'node:fs';
import { isAbsolute } from 'node:path';
import { AppError } from '../lib/errors.js';
import { pathTrouble } from '../sys/files/path-trouble.js';
import { readPrivateFile, readUnwritableFile } from '../sys/files/private-file.js';
import { locateProgram } from '../sys/program.js';
import type { KeyContext } from './key-context.js';
import { resolveModule } from './pkcs11/module-path.js';
import { isEncryptedPemKey, parsePemKey } from './software/pem-key.js';
import { parsePinSource, readPin } from './pin/pin-source.js';
import { isPkcs11Uri, parsePkcs11Uri } from './pkcs11/uri.js';

type CheckedContext = Pick<KeyContext, 'env' | 'pinSource' | 'pinentry' | 'gpg' | 'openpgpKey'>;

/** Receives what could not be checked, and why. */
type Note = (text: string) => void;

/**
 * Checks one value of the setting `privkey`.
 * @throws AppError as opening it would: KEY_*, TOKEN_MODULE, SYS_*
 */
export async function checkKeyReplica(
  privkey: string,
  context: CheckedContext,
  note: Note,
): Promise<void> {
  if (isPkcs11Uri(privkey)) {
    const uri = parsePkcs11Uri(privkey);
    resolveModule(uri, context.env);
    if (uri.pinValue === undefined) {
      await checkPinSource(uri.pinSource ?? context.pinSource, context, note);
    }
    return;
  }
  const at = privkey.indexOf(':') + 1;
  const path = privkey.slice(at);
  if (!isAbsolute(path)) {
    throw new AppError('KEY_FILE', `account key: ${path}: the path is not absolute`);
  }
  switch (privkey.slice(0, at)) {
    case 'file:':
      await checkPemFile(path, context, note);
      return;
    case 'gpg:':
      readUnwritableFile(path, 'account key').fill(0);
      checkProgram(context.gpg?.[0] ?? 'gpg');
      return;
    default:
      readUnwritableFile(path, 'account key').fill(0);
      await checkOpenPgpSecret(context, note);
  }
}

async function checkPemFile(path: string, context: CheckedContext, note: Note): Promise<void> {
  const pem = readPrivateFile(path, 'account key');
  try {
    if (isEncryptedPemKey(pem, path)) {
      await checkPinSource(context.pinSource, context, note);
    } else {
      parsePemKey(pem, path);
    }
  } finally {
    pem.fill(0);
  }
}

async function checkOpenPgpSecret(context: CheckedContext, note: Note): Promise<void> {
  if (context.openpgpKey === undefined) {
    await checkPinSource(context.pinSource, context, note);
  } else {
    readPrivateFile(context.openpgpKey, 'OpenPGP secret key').fill(0);
  }
}

/** Checks that the source yields a secret, which is not used. */
async function checkPinSource(
  text: string | undefined,
  context: CheckedContext,
  note: Note,
): Promise<void> {
  const source = parsePinSource(text ?? 'prompt');
  switch (source.kind) {
    case 'credential':
      if ((context.env['CREDENTIALS_DIRECTORY'] ?? '') === '') {
        note(`pin-source: the credential ${source.name} is there for the service alone`);
        return;
      }
      (await readPin(source, 'PIN', context)).wipe();
      return;
    case 'file':
    case 'env':
      (await readPin(source, 'PIN', context)).wipe();
      return;
    case 'command':
      checkProgram(source.words[0]);
      note('pin-source: the command was not run');
      return;
    case 'pinentry':
      checkProgram(context.pinentry?.[0] ?? 'pinentry');
      return;
    case 'prompt':
      note('pin-source: the PIN is asked for on the terminal, at the start');
      return;
    case 'pinpad':
  }
}

function checkProgram(name: string): void {
  const path = locateProgram(name);
  try {
    accessSync(path, constants.X_OK);
  } catch (error) {
    throw pathTrouble('program', path, error, 'install it, or correct its name');
  }
}
