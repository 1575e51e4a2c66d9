// An account key in a token whose module misbehaves on command, opened in the test's own process as
// the daemon opens it. Used by test processes only.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { verifySignature } from '../../../src/jose/signature.js';
import type { KeyContext } from '../../../src/keys/key-context.js';
import { openPkcs11Key, type Pkcs11Key } from '../../../src/keys/pkcs11-key.js';
import { createFaultyToken, type FaultyToken } from '../modules/fault-module.js';
import { atEnd } from '../scope.js';
import { recordText } from '../transcript.js';
import { makeTempDir } from '../temp-dir.js';

export const INPUT = Buffer.from('protected.payload');

export interface FaultyKey extends FaultyToken {
  readonly key: Pkcs11Key;
  /** `LEVEL MESSAGE` */
  readonly log: string[];
}

/** @param shared a token that several tests use, whose faults of the last one are taken back */
export async function openKey(
  t: TestContext,
  options: Partial<KeyContext> = {},
  shared?: FaultyToken,
): Promise<FaultyKey> {
  const faulty = shared ?? (await createFaultyToken(t));
  faulty.setFaults();
  const log: string[] = [];
  // One of its own: a PIN that a test has refused would be held for the next one.
  const state = await makeTempDir(t, 'cvst-');
  const key = await openPkcs11Key(faulty.uri, {
    env: { ...faulty.hsm.env },
    stateDirectory: () => state,
    log: (level, message) => {
      log.push(`${level} ${message}`);
      recordText('log', message);
    },
    ...options,
  });
  atEnd(t, () => key.close());
  return { ...faulty, key, log };
}

export async function assertSigns({ key }: FaultyKey): Promise<void> {
  assert.ok(verifySignature(key.algorithm, key.publicKey, INPUT, (await key.sign(INPUT)).bytes));
}
