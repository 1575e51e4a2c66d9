// A process of its own for the matrix of modules, so that it can be run in the namespaces of a
// module and by another Node: makes a key of each type in a token through the product's own code,
// signs, and prints what came of it as JSON. It judges nothing: the test verifies the signatures.
// Usage: main.js URI-OF-TOKEN?module-name=NAME&pin-source=... existing|new TYPE ID

import { openAccountKey } from '../../src/keys/open-account-key.js';
import type { KeyContext } from '../../src/keys/key-context.js';
import { generateTokenKey } from '../../src/keys/admin/token-admin.js';
import { parsePkcs11Uri } from '../../src/keys/pkcs11/uri.js';
import { AppError } from '../../src/lib/errors.js';
import { KEY_TYPES, type GeneratedKeyType } from '../../src/token/messages.js';
import type { CellReport } from './cell.js';
import { stateDirectoryOfTest } from '../support/process.js';

const SIGNATURES = 3;

async function main([uri = '', mode = '', name = '', id = '']: readonly string[]): Promise<void> {
  const type = KEY_TYPES.find((candidate) => candidate === name);
  if (type === undefined) {
    throw new Error(`no key type: ${name}`);
  }
  const report = await runCell({ uri, id, type, generate: mode === 'new' });
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

interface CellOptions {
  readonly uri: string;
  readonly id: string;
  readonly type: GeneratedKeyType;
  readonly generate: boolean;
}

async function runCell({ uri, id, type, generate }: CellOptions): Promise<CellReport> {
  const printed: string[] = [];
  const context: KeyContext = {
    env: process.env,
    stateDirectory: stateDirectoryOfTest,
    log: (level, message) => {
      printed.push(`${level} ${message}`);
    },
  };
  try {
    if (generate) {
      await generateTokenKey(parsePkcs11Uri(uri), { type, label: type, id }, context);
    }
    const key = await openAccountKey(uriOfKey(uri, id), context);
    try {
      const inputs = Array.from(
        { length: SIGNATURES },
        (_, at) => `${type}.${'x'.repeat(at * 3000)}`,
      );
      const signatures: string[] = [];
      for (const input of inputs) {
        signatures.push((await key.sign(Buffer.from(input))).bytes.toString('base64url'));
      }
      return {
        type,
        outcome: 'signed',
        algorithm: key.algorithm,
        jwk: key.jwk,
        inputs,
        signatures,
      };
    } finally {
      await key.close();
    }
  } catch (error) {
    const known = error instanceof AppError ? error : undefined;
    const message = error instanceof Error ? error.message : String(error);
    return {
      ...{ type, outcome: 'failed', code: known?.code ?? 'none', message },
      ...{ hint: known?.hint ?? '', printed },
    };
  }
}

function uriOfKey(uri: string, id: string): string {
  const [path = '', query = ''] = uri.split('?');
  return `${path}${path.endsWith(':') ? '' : ';'}id=%${id}?${query}`;
}

await main(process.argv.slice(2));
