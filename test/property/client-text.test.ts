// Texts from outside the client, in any shape: nothing throws but what is meant to, nothing gets
// through.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { chooseHttp01 } from '../../src/acme/challenge.js';
import { formatProblem, parseProblem } from '../../src/acme/problem.js';
import { parseRetryAfter } from '../../src/acme/transport/retry-after.js';
import { splitCommand } from '../../src/lib/command-words.js';
import { AppError } from '../../src/lib/errors.js';
import { printable } from '../../src/lib/printable.js';
import { ClientSession, type ClientSessionEvent } from '../../src/protocol/client-session.js';

const anyText = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }));

/** The result, or the AppError's code; any other error fails the test. */
function attempt<T>(run: () => T): T | string {
  try {
    return run();
  } catch (error) {
    assert.ok(error instanceof AppError, String(error));
    return error.code;
  }
}

describe('printable', () => {
  it('leaves nothing that a terminal obeys', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        assert.doesNotMatch(printable(text), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Surrogate}]/u);
      }),
    );
  });
});

describe('splitCommand', () => {
  it('gives back words that were quoted', () => {
    fc.assert(
      fc.property(fc.array(anyText, { minLength: 1 }), (words) => {
        fc.pre(words[0] !== '');
        const quoted = words.map((word) => `'${word.replaceAll("'", `'"'"'`)}'`);
        assert.deepEqual(splitCommand(quoted.join(' ')), words);
      }),
    );
  });

  it('splits any text or refuses it', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const words = attempt(() => splitCommand(text));
        assert.ok(words === 'CONFIG_INVALID' || words.length > 0);
      }),
    );
  });
});

describe('a problem document', () => {
  it('of any JSON is one text without surprises', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        const response = {
          status: 400,
          headers: new Map<string, string>(),
          links: [],
          body: Buffer.from(json),
        };
        const text = formatProblem(parseProblem(response), 400);
        assert.ok(text !== '');
        assert.doesNotMatch(text.replaceAll('\n', ''), /\p{Cc}/u);
      }),
    );
  });
});

describe('parseRetryAfter', () => {
  it('of any text is a finite time to come, or nothing', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const ms = parseRetryAfter(text, Date.UTC(2026, 0, 1)) ?? 0;
        assert.ok(Number.isFinite(ms) && ms >= 0);
      }),
    );
  });
});

describe('chooseHttp01', () => {
  it('lets no token through that is more than a name', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.stringMatching(/^[\w-]{20,30}$/)), (token) => {
        const url = 'https://ca.example/c';
        const authorization = {
          identifier: { type: 'dns', value: 'a.test' },
          status: 'pending' as const,
          challenges: [{ type: 'http-01', url, token }],
        };
        const chosen = attempt(() => chooseHttp01(authorization, new URL(url)));
        if (typeof chosen !== 'string') {
          assert.match(chosen.token, /^[A-Za-z0-9_-]{22,200}$/);
        }
      }),
    );
  });
});

describe('ClientSession', () => {
  const GREETING =
    '1 OK {"kid":"https://ca.example/a/1","jwk-thumbprint":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}\r\n{}\r\n';

  function feed(chunks: readonly Uint8Array[]): readonly ClientSessionEvent[] {
    const session = new ClientSession();
    session.formatRequest('YQ', '');
    session.formatRequest('Yg', '');
    return chunks.flatMap((chunk) => session.receive(chunk));
  }

  it('understands the same bytes in any pieces', () => {
    const bytes = Buffer.from(`${GREETING}MQ\r\nMg\r\n`);
    const whole = feed([bytes]);
    assert.equal(whole.length, 3);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 8 }), (cuts) => {
        const ends = [...cuts, bytes.length].sort((a, b) => a - b);
        const chunks = ends.map((end, at) => bytes.subarray(ends[at - 1] ?? 0, end));
        assert.deepEqual(feed(chunks), whole);
      }),
    );
  });

  it('answers any bytes with events or an error of the protocol', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.uint8Array({ maxLength: 400 }), (greeted, bytes) => {
        const start = greeted ? Buffer.from(GREETING) : Buffer.alloc(0);
        const result = attempt(() => feed([start, bytes]));
        assert.ok(typeof result !== 'string' || result.startsWith('PROTO_'));
      }),
    );
  });
});
