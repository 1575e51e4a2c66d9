// The tests of one row of the matrix of PKCS#11 modules: every key type, made or found in a token
// of the module, signs, and node:crypto and openssl verify; or it is not offered, in just the way
// that docs/module-matrix.md says. With MODULE_MATRIX_FOLDER set the row is written there instead
// of compared: `npm run matrix` sets it.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parsePublicJwk, publicKeyOfJwk } from '../../../src/jose/public-jwk.js';
import { verifySignature } from '../../../src/jose/signature.js';
import { KEY_TYPES, type GeneratedKeyType } from '../../../src/token/messages.js';
import { parseReport, type CellReport } from '../../module-matrix/cell.js';
import { readMatrix } from '../../module-matrix/matrix-file.js';
import type { ModuleBed } from './module-bed.js';
import { opensslVerifies } from '../keys/openssl.js';
import { mustRun } from '../process.js';
import { suiteScope, type Scope } from '../scope.js';
import { makeTempDir } from '../temp-dir.js';

const CELL_PROCESS = fileURLToPath(new URL('../../module-matrix/main.js', import.meta.url));
/** An RSA-4096 key takes a while on a busy machine. */
const CELL_TIMEOUT_MS = 90_000;
const OUTPUT_FOLDER = process.env['MODULE_MATRIX_FOLDER'];

/** What a cell says of a key type that signs. */
const SIGNS = 'yes';

interface MatrixRow {
  readonly moduleName: string;
  readonly start: (scope: Scope) => Promise<ModuleBed>;
  /** CKA_ID of keys that are in the token already; the others are made. */
  readonly present?: Readonly<Partial<Record<GeneratedKeyType, string>>>;
}

interface MatrixCell {
  readonly title: string;
  readonly run: () => Promise<void>;
}

/**
 * The cells of a row, as tests for the file that calls this inside `describe`; the bed is set up
 * before them.
 */
export function matrixCells({ moduleName, start, present = {} }: MatrixRow): MatrixCell[] {
  const scope = suiteScope();
  const expected = readMatrix().get(moduleName) ?? {};
  const seen: Record<string, string> = {};
  let bed: ModuleBed | undefined;
  let folder = '';

  before(async () => {
    folder = await makeTempDir(scope, 'cvmat-');
    bed = await start(scope);
    assert.equal(bed.moduleName, moduleName);
  });
  after(() => {
    if (OUTPUT_FOLDER !== undefined) {
      writeFileSync(join(OUTPUT_FOLDER, `${moduleName}.json`), JSON.stringify(seen));
    }
  });

  return KEY_TYPES.map((type, at) => ({
    title: `${type}: ${OUTPUT_FOLDER === undefined ? (expected[type] ?? '') : 'to be seen'}`,
    run: async () => {
      assert.ok(bed !== undefined);
      const id = present[type] ?? (0xa1 + at).toString(16);
      const report = await runCell(bed, { type, id, mode: type in present ? 'existing' : 'new' });
      const cell = await judge(report, folder);
      seen[type] = cell;
      if (OUTPUT_FOLDER === undefined) {
        assert.equal(cell, expected[type], `${JSON.stringify(report)}; see npm run matrix`);
      }
    },
  }));
}

interface Cell {
  readonly type: GeneratedKeyType;
  readonly id: string;
  readonly mode: 'existing' | 'new';
}

async function runCell(bed: ModuleBed, { type, id, mode }: Cell): Promise<CellReport> {
  await bed.flush?.();
  const uri = `pkcs11:${bed.token}?module-name=${bed.moduleName}&pin-source=file:${bed.pinFile}`;
  const { command, args } = bed.inside(process.execPath, [CELL_PROCESS, uri, mode, type, id]);
  return parseReport(await mustRun(command, args, { env: bed.env, timeoutMs: CELL_TIMEOUT_MS }));
}

/** What the cell says: that the key signs, checked twice over, or why there is none. */
async function judge(report: CellReport, folder: string): Promise<string> {
  if (report.outcome === 'failed') {
    return reasonOf(report);
  }
  const { algorithm, inputs, signatures } = report;
  const publicKey = publicKeyOfJwk(parsePublicJwk(report.jwk));
  assert.ok(inputs.length > 1 && inputs.length === signatures.length);
  for (const [at, text] of inputs.entries()) {
    const input = Buffer.from(text);
    const signature = Buffer.from(signatures[at] ?? '', 'base64url');
    assert.ok(verifySignature(algorithm, publicKey, input, signature), `${report.type} ${at}`);
    assert.ok(await opensslVerifies(folder, { algorithm, publicKey, input, signature }));
    const other = Buffer.concat([input, Buffer.of(0)]);
    assert.ok(!(await opensslVerifies(folder, { algorithm, publicKey, input: other, signature })));
  }
  return SIGNS;
}

function reasonOf({ code, message, hint }: CellReport & { outcome: 'failed' }): string {
  const isNotOffered = code === 'TOKEN_KEY_UNSUPPORTED' && message.includes('the token makes no');
  if (isNotOffered) {
    return /for \d+ to \d+ bits/.exec(hint)?.[0] ?? 'not offered';
  }
  if (code === 'TOKEN_KEY_UNSUPPORTED' && message.includes('does not work with')) {
    return 'broken';
  }
  return /CKR_\w+/.exec(message)?.[0] ?? `${code}: ${message}`;
}
