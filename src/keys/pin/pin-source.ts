// Where a PIN or a passphrase is read: parses the setting pin-source and reads the secret from it.
// Runs in clavigerd and its commands. The source is named by the configuration or the command line,
// never by a client; no error repeats a secret, nor the text of a setting that may be one.

import { isAbsolute, join } from 'node:path';
import { assertProgramName, splitCommand } from '../../lib/command-words.js';
import { hasControlCharacter } from '../../lib/printable.js';
import { AppError, messageOf } from '../../lib/errors.js';
import { Secret } from '../../lib/secret.js';
import { eraseEnvironmentVariable } from '../../sys/environment-block.js';
import { readPrivateFile } from '../../sys/files/private-file.js';
import { isHelperVariable } from '../pkcs11/helper-environment.js';
import type { KeyContext } from '../key-context.js';
import { askPinentry } from './pinentry.js';
import { oddityOf, withoutLineEnd } from './pin-line.js';
import { readPinFromCommand } from './pin-command.js';

export type PinSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'credential'; readonly name: string }
  /** A program and its arguments; it prints the PIN. */
  | { readonly kind: 'command'; readonly words: readonly [string, ...string[]] }
  | { readonly kind: 'prompt' }
  /** A dialogue by GnuPG's program of that name, in a window or on a terminal. */
  | { readonly kind: 'pinentry' }
  /** The keypad of the card reader: the module gets an empty PIN. */
  | { readonly kind: 'pinpad' };

const SETTING = 'pin-source';
const KINDS = 'file:/PATH, env:NAME, credential:NAME, |COMMAND, prompt, pinentry or pinpad';
/** Longest PIN or passphrase; that of a message to the token helper. */
const MAX_SECRET_BYTES = 1024;
const DEFAULT_PINENTRY = ['pinentry'] as const;

/**
 * Parses `file:/PATH` (or a plain absolute path), `env:NAME`, `credential:NAME`, `|COMMAND
 * ARGUMENTS` (RFC 7512 §2.4; no shell), `prompt`, `pinentry` and `pinpad`.
 * @param setting the name of the setting or option, for errors.
 * @throws AppError KEY_PIN_SOURCE, KEY_PIN
 */
export function parsePinSource(text: string, setting = SETTING): PinSource {
  const colon = text.indexOf(':');
  const kind = colon === -1 ? '' : text.slice(0, colon);
  const rest = text.slice(colon + 1);
  if (hasControlCharacter(text)) {
    throw new AppError('KEY_PIN', `${setting}: has a control character`, {
      hint: hintFor(setting),
    });
  }
  if (isAbsolute(text)) {
    return { kind: 'file', path: text };
  }
  if (text === 'prompt' || text === 'pinentry' || text === 'pinpad') {
    return { kind: text };
  }
  if (text.startsWith('|')) {
    return { kind: 'command', words: parseCommand(text.slice(1), setting) };
  }
  if (kind === 'file' && isAbsolute(rest)) {
    // RFC 7512 §2.4 shows file:/etc/token_pin; file:///etc/token_pin is the same (RFC 8089).
    return { kind: 'file', path: rest.startsWith('///') ? rest.slice(2) : rest };
  }
  if (kind === 'env' && /^[A-Za-z_][A-Za-z0-9_]*$/.test(rest)) {
    if (isHelperVariable(rest)) {
      throw new AppError(
        'KEY_PIN_SOURCE',
        `${setting}: ${rest} is a variable that PKCS#11 modules get`,
        {
          hint: 'the PIN would show in /proc/PID/environ of the token helper; choose another name',
        },
      );
    }
    return { kind: 'env', name: rest };
  }
  // systemd.exec(5): a credential's name is a file name.
  if (kind === 'credential' && /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(rest)) {
    return { kind: 'credential', name: rest };
  }
  throw new AppError('KEY_PIN_SOURCE', `${setting}: ${problemOf(kind, text)}`, {
    hint: hintFor(setting),
  });
}

function hintFor(setting: string): string {
  return `${setting} is ${KINDS}`;
}

/**
 * What is wrong with a source. The message does not repeat its text: somebody may have written the
 * PIN itself there.
 */
function problemOf(kind: string, text: string): string {
  if (kind === 'file') {
    return 'the path after file: is not absolute';
  }
  if (kind === 'env' || kind === 'credential') {
    return `what follows ${kind}: is no name`;
  }
  return /^[0-9]+$/.test(text)
    ? 'is a number, and wants the place of the PIN, not the PIN: who sees the configuration or the command line must not see it'
    : 'not a source this program knows';
}

function parseCommand(text: string, setting: string): readonly [string, ...string[]] {
  try {
    const words = splitCommand(text);
    assertProgramName(words);
    return words;
  } catch (error) {
    // These messages never repeat a part of the command, which may hold a secret.
    throw new AppError('KEY_PIN_SOURCE', `${setting}: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Reads the secret. A variable is deleted from `context.env` once read.
 * @param question the text of the prompt, where a person is asked.
 * @throws AppError KEY_PIN_SOURCE for a source without a usable secret, KEY_PIN for an answer that
 *   is empty or too long, SYS_* for a file that cannot be read or that others can read.
 */
export async function readPin(
  source: PinSource,
  question: string,
  context: Pick<KeyContext, 'env' | 'prompt' | 'pinentry'> & Partial<Pick<KeyContext, 'log'>>,
): Promise<Secret> {
  switch (source.kind) {
    case 'file':
      return readFile(source.path);
    case 'env':
      return readVariable(source.name, context);
    case 'credential':
      return readCredential(source.name, context.env);
    case 'command':
      return stored(await readPinFromCommand(source.words, context.env), 'what it prints');
    case 'pinentry':
      return checked(
        await askPinentry(context.pinentry ?? DEFAULT_PINENTRY, question, context.env),
        'the answer',
      );
    case 'pinpad':
      throw new AppError('KEY_PIN_SOURCE', 'PIN: a PIN pad gives no passphrase', {
        hint: hintFor(SETTING),
      });
    case 'prompt':
      if (context.prompt === undefined) {
        throw new AppError(
          'KEY_PIN_SOURCE',
          'PIN: no source is configured, and there is no terminal to ask at',
          { hint: hintFor(SETTING) },
        );
      }
      return checked(await context.prompt(question), 'the answer');
  }
}

function readFile(path: string): Secret {
  const bytes = readPrivateFile(path, 'PIN file');
  const secret = new Secret(Buffer.from(withoutLineEnd(bytes)));
  bytes.fill(0);
  return stored(secret, path);
}

function readCredential(name: string, env: NodeJS.ProcessEnv): Secret {
  const directory = env['CREDENTIALS_DIRECTORY'];
  if (directory === undefined || directory === '') {
    throw new AppError(
      'KEY_PIN_SOURCE',
      `PIN: credential ${name}: CREDENTIALS_DIRECTORY is not set`,
      {
        hint: 'systemd sets it for a service with LoadCredential= or LoadCredentialEncrypted=',
      },
    );
  }
  return readFile(join(directory, name));
}

function readVariable(
  name: string,
  { env, log }: Pick<KeyContext, 'env'> & Partial<Pick<KeyContext, 'log'>>,
): Secret {
  const value = env[name];
  if (value === undefined) {
    throw new AppError('KEY_PIN_SOURCE', `PIN: environment variable ${name} is not set`, {
      hint: 'it is read once, and then deleted: start the program anew',
    });
  }
  Reflect.deleteProperty(env, name);
  if (!eraseEnvironmentVariable(name)) {
    log?.(
      'warning',
      `PIN: environment variable ${name} stays visible in /proc/${process.pid}/environ`,
    );
  }
  return stored(Secret.fromText(value), `environment variable ${name}`);
}

/** Refuses a secret that a file or a program gave with more than one line end around it. */
function stored(secret: Secret, where: string): Secret {
  const oddity = checked(secret, where, 'KEY_PIN_SOURCE').use(oddityOf);
  if (oddity !== undefined) {
    secret.wipe();
    throw new AppError('KEY_PIN_SOURCE', `PIN: ${where} ${oddity}: it is not tried`, {
      hint: 'the PIN or passphrase alone belongs there, and one line end; one that has such characters can be typed, with the source prompt or pinentry',
    });
  }
  return secret;
}

/**
 * Refuses an empty secret, and one that is too long for the token helper: the file or the variable
 * is a wrong one.
 */
function checked(
  secret: Secret,
  where: string,
  code: 'KEY_PIN' | 'KEY_PIN_SOURCE' = 'KEY_PIN',
): Secret {
  if (secret.length === 0 || secret.length > MAX_SECRET_BYTES) {
    const problem = secret.length === 0 ? 'empty' : `longer than ${MAX_SECRET_BYTES} bytes`;
    secret.wipe();
    throw new AppError(code, `PIN: ${where} is ${problem}`);
  }
  return secret;
}
