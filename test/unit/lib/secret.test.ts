import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { Secret } from '../../../src/lib/secret.js';

describe('Secret', () => {
  it('prints as [redacted] in every way', () => {
    const secret = Secret.fromText('correct-horse');
    const shown = [
      String(secret),
      secret.toString(),
      JSON.stringify({ secret }),
      inspect(secret),
      inspect({ secret }, { depth: 5, showHidden: true }),
    ];
    for (const text of shown) {
      assert.match(text, /\[redacted\]/);
      assert.doesNotMatch(text, /correct-horse/);
    }
  });

  it('lends its bytes and wipes them', () => {
    const bytes = Buffer.from('correct-horse');
    const secret = new Secret(bytes);
    assert.equal(secret.length, 13);
    assert.equal(
      secret.use((lent) => lent.toString()),
      'correct-horse',
    );
    secret.wipe();
    assert.ok(bytes.every((byte) => byte === 0));
  });
});
