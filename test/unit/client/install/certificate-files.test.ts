// What is installed now, and what is said of a file that is no certificate, or no longer.

import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import {
  readInstalled,
  type InstalledFiles,
} from '../../../../src/client/install/certificate-files.js';
import { makeTempDir } from '../../../support/temp-dir.js';
import { makeAuthority, newKey } from '../../../support/client/test-ca.js';
import type { Scope } from '../../../support/scope.js';

describe('installed files', () => {
  let leaf: string;
  let issuer: string;

  before(async () => {
    const root = await makeAuthority('root');
    issuer = root.pem;
    leaf = await root.issue(createPublicKey(newKey()), {
      names: [{ type: 'dns', value: 'a.test' }],
    });
  });

  async function read(
    t: Scope,
    fullchain: string | undefined,
    chain = issuer,
  ): Promise<InstalledFiles> {
    const folder = await makeTempDir(t);
    const path = (name: string): string => join(folder, name);
    if (fullchain !== undefined) {
      await writeFile(path('full.pem'), fullchain);
    }
    await writeFile(path('chain.pem'), chain);
    const installed = await readInstalled({
      cert: undefined,
      chain: path('chain.pem'),
      fullchain: path('full.pem'),
    });
    return { ...installed, damage: installed.damage.map((line) => line.replace(`${folder}/`, '')) };
  }

  it('are read, and one that is missing is not damaged', async (t) => {
    const both = await read(t, leaf + issuer);
    assert.equal(both.fullchain?.length, 2);
    assert.deepEqual(both.damage, []);
    const missing = await read(t, undefined, '');
    assert.equal(missing.fullchain, undefined);
    assert.deepEqual(missing.chain, []);
    assert.deepEqual(missing.damage, []);
  });

  it('are called what they are when they are damaged', async (t) => {
    const cut = (pem: string): string => pem.slice(0, pem.length / 2);
    for (const [text, problem] of [
      ['', 'is empty'],
      ['\n\n', 'is empty'],
      ['127.0.0.1 localhost\n', 'holds no certificate'],
      [cut(leaf), 'its certificate is cut short'],
      [leaf + cut(issuer), 'only 1 of 2 certificates are whole'],
      [leaf.replace(/\n[^\n]{8}/, '\nAAAAAAAA'), 'a certificate in it is damaged'],
      [leaf.replace(/\n[^\n]{8}/, '\n\0\0\0\0\0\0\0\0'), 'its certificate is cut short'],
    ] as const) {
      const { fullchain, damage } = await read(t, text);
      assert.equal(fullchain, undefined);
      assert.deepEqual(damage, [`full.pem: ${problem}`]);
    }
  });
});
