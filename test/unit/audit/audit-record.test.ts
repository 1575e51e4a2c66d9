import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  AUDIT_EVENTS,
  AUDIT_VERDICTS,
  RECORD_MEMBERS,
  type AuditRecord,
} from '../../../src/audit/audit-record.js';
import {
  MAX_RECORD_BYTES,
  formatRecord,
  hashOfLine,
  parseRecord,
} from '../../../src/audit/record-line.js';
import { NO_HASH } from '../../../src/audit/chain-head.js';
import { AppError } from '../../../src/lib/errors.js';
import { appErrorOf } from '../../support/app-error.js';

const FULL = {
  seq: 17,
  time: '2026-11-22T01:02:03.004Z',
  event: 'decision',
  verdict: 'signed',
  account: 'default',
  listener: 'admin',
  connection: 'admin/3',
  policy: 'web',
  operation: 'new-order',
  url: 'https://ca.example/order',
  identifiers: ['dns:www.example.org', 'ip:192.0.2.1'],
  'name-count': 51,
  'csr-key': 'ab'.repeat(32),
  unread: 'csr',
  rule: 'web.identifiers',
  code: 'denied',
  reason: 'why',
  count: 60,
  'first-time': '2026-11-22T01:01:53.004Z',
  'last-time': '2026-11-22T01:02:03.000Z',
  'queue-ms': 0.1,
  'token-ms': 12.345,
  bytes: 40,
  sha256: 'cd'.repeat(32),
  'inputs-sha256': 'ef'.repeat(32),
  begins: 'file',
  prev: NO_HASH,
} as const satisfies AuditRecord;

const LINE = formatRecord(FULL);
const SHORT = formatRecord({ seq: 1, time: FULL.time, event: 'start', prev: NO_HASH });

describe('formatRecord', () => {
  it('writes the members in their order', () => {
    assert.equal(
      LINE,
      '{"seq":17,"time":"2026-11-22T01:02:03.004Z","event":"decision","verdict":"signed",' +
        '"account":"default","listener":"admin","connection":"admin/3","policy":"web",' +
        '"operation":"new-order","url":"https://ca.example/order",' +
        `"identifiers":["dns:www.example.org","ip:192.0.2.1"],"name-count":51,` +
        `"csr-key":"${'ab'.repeat(32)}","unread":"csr","rule":"web.identifiers","code":"denied",` +
        '"reason":"why",' +
        '"count":60,"first-time":"2026-11-22T01:01:53.004Z","last-time":"2026-11-22T01:02:03.000Z",' +
        `"queue-ms":0.10,"token-ms":12.35,"bytes":40,"sha256":"${'cd'.repeat(32)}",` +
        `"inputs-sha256":"${'ef'.repeat(32)}","begins":"file","prev":"${'0'.repeat(64)}"}`,
    );
    assert.deepEqual(Object.keys(FULL), RECORD_MEMBERS);
  });

  it('leaves out what is not known', () => {
    assert.equal(
      SHORT,
      `{"seq":1,"time":"2026-11-22T01:02:03.004Z","event":"start","prev":"${NO_HASH}"}`,
    );
    assert.equal(
      formatRecord({ ...FULL, verdict: undefined, identifiers: undefined }).includes('undefined'),
      false,
    );
  });

  it('escapes whatever is not printable ASCII', () => {
    const reason = 'a"\\\n\u001b[31m\u007f\u00e9\u202e\u{1f511}\ud800';
    const line = formatRecord({ ...FULL, reason });
    assert.ok(
      line.includes('"a\\"\\\\\\n\\u001b[31m\\u007f\\u00e9\\u202e\\ud83d\\udd11\\ufffd"'),
      line,
    );
    assert.equal(parseRecord(Buffer.from(line)).reason, reason.replace('\ud800', '\ufffd'));
  });

  it('keeps durations to numbers that can be read', () => {
    for (const [ms, text] of [
      [-1, '0.00'],
      [NaN, '0.00'],
      [Infinity, '1000000000000.00'],
    ] as const) {
      const line = formatRecord({ ...FULL, 'queue-ms': ms });
      assert.ok(line.includes(`"queue-ms":${text},`), line);
      parseRecord(Buffer.from(line));
    }
  });

  it('writes no line that could not be read again', async () => {
    const reason = 'x'.repeat(MAX_RECORD_BYTES);
    await appErrorOf(() => formatRecord({ ...FULL, reason }), 'AUDIT_RECORD');
    const longest = 'x'.repeat(MAX_RECORD_BYTES - LINE.length + FULL.reason.length);
    const line = formatRecord({ ...FULL, reason: longest });
    assert.equal(line.length, MAX_RECORD_BYTES);
    assert.equal(parseRecord(Buffer.from(line)).seq, 17);
    await appErrorOf(() => parseRecord(Buffer.from(`${line} `)), 'AUDIT_RECORD');
  });
});

describe('parseRecord', () => {
  it('reads what formatRecord wrote', () => {
    assert.deepEqual(parseRecord(Buffer.from(LINE)), { ...FULL, 'token-ms': 12.35 });
  });

  const refused: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['no JSON', '{'],
    ['no object', '[]'],
    ['null', 'null'],
    ['a blank before', ` ${LINE}`],
    ['a blank after', `${LINE} `],
    ['a carriage return', `${LINE}\r`],
    ['a byte order mark', `\u00ef\u00bb\u00bf${LINE}`],
    ['a blank within', LINE.replace('"seq":', '"seq": ')],
    ['another order', LINE.replace(/"seq":17,("time":"[^"]*",)/, '$1"seq":17,')],
    ['a member twice', LINE.replace('"seq":17', '"seq":17,"seq":17')],
    ['an unknown member', LINE.replace('"prev"', '"more":1,"prev"')],
    ['an inherited member', LINE.replace('"prev"', '"__proto__":{},"prev"')],
    ['a missing number', LINE.replace('"seq":17,', '')],
    ['a missing hash', LINE.replace(/,"prev":"0*"/, '')],
    ['a missing event', LINE.replace('"event":"decision",', '')],
    ['number 0', LINE.replace('"seq":17', '"seq":0')],
    ['a number below 0', LINE.replace('"seq":17', '"seq":-1')],
    ['a broken number', LINE.replace('"seq":17', '"seq":1.5')],
    ['a number with a fraction of 0', LINE.replace('"seq":17', '"seq":17.0')],
    ['a number in words', LINE.replace('"seq":17', '"seq":"17"')],
    ['a number no double holds', LINE.replace('"seq":17', '"seq":9007199254740993')],
    ['another event', LINE.replace('"decision"', '"other"')],
    ['another verdict', LINE.replace('"signed"', '"allowed"')],
    ['a time that is none', LINE.replace('2026-11-22', '2026-13-22')],
    ['a time of another zone', LINE.replace('.004Z', '.004+00:00')],
    ['a time without milliseconds', LINE.replace('.004Z', 'Z')],
    ['names that are no list', LINE.replace(/\["dns[^\]]*\]/, '"dns:a"')],
    ['a name that is no text', LINE.replace('"ip:192.0.2.1"', '1')],
    ['an upper-case hash', LINE.replaceAll('cd', 'CD')],
    ['a short hash', LINE.replace('abab', 'ab')],
    ['a count of nothing', LINE.replace('"count":60', '"count":0')],
    ['a count with a fraction', LINE.replace('"count":60', '"count":60.00')],
    ['another beginning', LINE.replace('"begins":"file"', '"begins":"day"')],
    ['a duration below 0', LINE.replace('"queue-ms":0.10', '"queue-ms":-0.10')],
    ['a duration of one decimal', LINE.replace('"queue-ms":0.10', '"queue-ms":0.1')],
    ['an escape that is none of ours', LINE.replace('why', 'wh\\u0079')],
    ['an upper-case escape', LINE.replace('why', '\\u00E9')],
    ['raw UTF-8', LINE.replace('why', '\u00c3\u00a9')],
    ['a raw delete character', LINE.replace('why', '\u007f')],
    ['null for a text', LINE.replace('"why"', 'null')],
  ];
  for (const [name, line] of refused) {
    it(`refuses ${name}`, async () => {
      await appErrorOf(() => parseRecord(Buffer.from(line, 'latin1')), 'AUDIT_RECORD');
    });
  }

  const text = fc.option(fc.string({ unit: 'binary' }), { nil: undefined });
  const duration = fc.option(fc.integer({ min: 0, max: 1e9 }), { nil: undefined });
  const hash = fc
    .uint8Array({ minLength: 32, maxLength: 32 })
    .map((b) => Buffer.from(b).toString('hex'));
  const time = fc
    .date({ min: new Date(0), max: new Date('9999-12-31'), noInvalidDate: true })
    .map((date) => date.toISOString());
  const count = fc.option(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), { nil: undefined });
  const record: fc.Arbitrary<AuditRecord> = fc.record({
    seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    time,
    event: fc.constantFrom(...AUDIT_EVENTS),
    verdict: fc.option(fc.constantFrom(...AUDIT_VERDICTS), { nil: undefined }),
    account: text,
    listener: text,
    connection: text,
    policy: text,
    operation: text,
    url: text,
    identifiers: fc.option(fc.array(fc.string({ unit: 'binary' })), { nil: undefined }),
    'name-count': count,
    'csr-key': fc.option(hash, { nil: undefined }),
    unread: fc.constantFrom(undefined, 'payload', 'names', 'csr', 'certificate'),
    rule: text,
    code: text,
    reason: text,
    count,
    'first-time': fc.option(time, { nil: undefined }),
    'last-time': fc.option(time, { nil: undefined }),
    'queue-ms': duration,
    'token-ms': duration,
    bytes: count,
    sha256: fc.option(hash, { nil: undefined }),
    'inputs-sha256': fc.option(hash, { nil: undefined }),
    begins: fc.option(fc.constant('file' as const), { nil: undefined }),
    prev: hash,
  });

  it('gives back any record, whose line is printable ASCII', () => {
    fc.assert(
      fc.property(record, (given) => {
        const line = formatRecord(given);
        assert.match(line, /^[ -~]+$/);
        const known = Object.fromEntries(
          Object.entries(given).filter(([, value]) => value !== undefined),
        );
        assert.deepEqual(parseRecord(Buffer.from(line)), known);
      }),
    );
  });

  it('reads no line with one other byte as the same record', () => {
    fc.assert(
      fc.property(record, fc.nat(), fc.nat(255), (given, place, byte) => {
        const line = Buffer.from(formatRecord(given));
        const at = place % line.length;
        fc.pre(line[at] !== byte);
        line[at] = byte;
        try {
          assert.equal(formatRecord(parseRecord(line)), line.toString());
        } catch (error) {
          assert.ok(error instanceof AppError && error.code === 'AUDIT_RECORD', String(error));
        }
      }),
    );
  });
});

describe('hashOfLine', () => {
  it('is SHA-256 of the line as it is in the file', () => {
    const expected = createHash('sha256').update(Buffer.from(LINE)).digest('hex');
    assert.equal(hashOfLine(LINE), expected);
    assert.equal(hashOfLine(Buffer.from(LINE)), expected);
  });
});
