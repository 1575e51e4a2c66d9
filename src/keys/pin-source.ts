// Where a PIN or a passphrase comes from. Runs in the daemon and in `clavigerd key`.
// The source is named in the configuration, never by a client; there is no default, and no secret is
// ever part of an error.

import { isAbsolute, join } from 'node:path';
import { AppError } from '../lib/errors.js';
import { Secret } from '../lib/secret.js';
import { readPrivateFile } from '../sys/private-file.js';
import type { KeyContext } from './key-context.js';

export type PinSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'credential'; readonly name: string }
  | { readonly kind: 'prompt' };

const HINT = 'pin-source is file:/PATH, env:NAME, credential:NAME or prompt';
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * Parses `file:/PATH` (or a plain absolute path), `env:NAME`, `credential:NAME` and `prompt`.
 * @throws AppError KEY_PIN
 */
export function parsePinSource(text: string): PinSource {
  const colon = text.indexOf(':');
  const kind = colon === -1 ? '' : text.slice(0, colon);
  const rest = text.slice(colon + 1);
  if (isAbsolute(text)) {
    return { kind: 'file', path: text };
  }
  if (text === 'prompt') {
    return { kind: 'prompt' };
  }
  if (kind === 'file' && isAbsolute(rest)) {
    // RFC 7512 §2.4 shows file:/etc/token_pin; file:///etc/token_pin is the same (RFC 8089).
    return { kind: 'file', path: rest.startsWith('///') ? rest.slice(2) : rest };
  }
  if (kind === 'env' && /^[A-Za-z_][A-Za-z0-9_]*$/.test(rest)) {
    return { kind: 'env', name: rest };
  }
  // systemd.exec(5): a credential's name is a file name.
  if (kind === 'credential' && /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(rest)) {
    return { kind: 'credential', name: rest };
  }
  throw new AppError('KEY_PIN', 'pin-source: not a source this program knows', { hint: HINT });
}

/**
 * Gets the secret. A variable is deleted from `context.env` once read.
 * @param question what a person is asked where the source is the terminal.
 * @throws AppError KEY_PIN, or SYS_* for a file that cannot be read or that others can read.
 */
export async function readPin(
  source: PinSource,
  question: string,
  context: Pick<KeyContext, 'env' | 'prompt'>,
): Promise<Secret> {
  switch (source.kind) {
    case 'file':
      return readFile(source.path);
    case 'env':
      return readVariable(source.name, context.env);
    case 'credential':
      return readCredential(source.name, context.env);
    case 'prompt':
      if (context.prompt === undefined) {
        throw new AppError(
          'KEY_PIN',
          'PIN: no source is configured, and there is no terminal to ask at',
          {
            hint: HINT,
          },
        );
      }
      return nonEmpty(await context.prompt(question), 'the answer');
  }
}

function readFile(path: string): Secret {
  const bytes = readPrivateFile(path, 'PIN file');
  const secret = new Secret(Buffer.from(withoutLineEnd(bytes)));
  bytes.fill(0);
  return nonEmpty(secret, path);
}

function readCredential(name: string, env: NodeJS.ProcessEnv): Secret {
  const directory = env['CREDENTIALS_DIRECTORY'];
  if (directory === undefined || directory === '') {
    throw new AppError('KEY_PIN', `PIN: credential ${name}: CREDENTIALS_DIRECTORY is not set`, {
      hint: 'systemd sets it for a service with LoadCredential= or LoadCredentialEncrypted=',
    });
  }
  return readFile(join(directory, name));
}

function readVariable(name: string, env: NodeJS.ProcessEnv): Secret {
  const value = env[name];
  if (value === undefined) {
    throw new AppError('KEY_PIN', `PIN: environment variable ${name} is not set`);
  }
  Reflect.deleteProperty(env, name);
  return nonEmpty(Secret.fromText(value), `environment variable ${name}`);
}

/** One line end at the end is the editor's, not the PIN's. */
function withoutLineEnd(bytes: Buffer): Buffer {
  if (bytes.at(-1) !== NEWLINE) {
    return bytes;
  }
  return bytes.subarray(0, bytes.at(-2) === CARRIAGE_RETURN ? -2 : -1);
}

function nonEmpty(secret: Secret, where: string): Secret {
  if (secret.length === 0) {
    throw new AppError('KEY_PIN', `PIN: ${where} is empty`);
  }
  return secret;
}
