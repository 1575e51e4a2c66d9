import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MAX_LINE_BYTES, MAX_PIPELINED_REQUESTS } from '../../../src/protocol/limits.js';
import { ServerSession } from '../../../src/protocol/server-session.js';

interface Recorder {
  readonly session: ServerSession;
  readonly requests: { id: number; line: string }[];
  output(): string;
  closed(): readonly string[];
  noLines(): readonly string[];
  sign(id: number): void;
  refuse(id: number): void;
}

function record(): Recorder {
  const requests: { id: number; line: string }[] = [];
  const closed: string[] = [];
  const noLines: string[] = [];
  let output = '';
  const session = new ServerSession((event) => {
    switch (event.kind) {
      case 'request':
        requests.push({ id: event.id, line: event.line.toString() });
        break;
      case 'write':
        output += event.text;
        break;
      case 'no-line':
        noLines.push(event.error);
        break;
      case 'close':
        closed.push(event.reason);
        break;
    }
  });
  return {
    session,
    requests,
    output: () => output,
    closed: () => closed,
    noLines: () => noLines,
    sign: (id) => {
      session.answer(id, { kind: 'signature', signature: `sig${id}` });
    },
    refuse: (id) => {
      session.answer(id, { kind: 'refusal', refusal: { code: 'denied', detail: 'no' } });
    },
  };
}

/** Takes the lines that there is a place for. */
function takeLines(session: ServerSession): void {
  while (session.nextLineBytes !== undefined) {
    session.takeLine();
  }
}

const send = (r: Recorder, text: string | Buffer): void => {
  r.session.receive(Buffer.from(text));
  takeLines(r.session);
};

describe('ServerSession', () => {
  it('writes replies in the order of the requests, whatever order signatures come in', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([1, 2, 3, 4, 5], { minLength: 5 }), (order) => {
        const r = record();
        send(r, 'a\r\nb\r\nc\r\nd\r\ne\r\n');
        for (const id of order) {
          r.sign(id);
        }
        assert.equal(r.output(), 'sig1\r\nsig2\r\nsig3\r\nsig4\r\nsig5\r\n');
      }),
    );
  });

  it('closes unanswered at a refusal, after what came before it', () => {
    const r = record();
    send(r, 'a\r\nb\r\nc\r\n');
    r.refuse(2);
    assert.deepEqual(r.closed(), []);
    r.sign(3);
    r.sign(1);
    assert.equal(r.output(), 'sig1\r\n');
    assert.deepEqual(r.closed(), ['refused: denied']);
    send(r, 'd\r\n');
    assert.equal(r.requests.length, 3);
  });

  it('tells a refusal and goes on, once the client has said !errors first', () => {
    const r = record();
    send(r, '!errors\r\na\r\nb\r\n');
    r.refuse(1);
    r.sign(2);
    assert.equal(r.output(), '!error {"code":"denied","detail":"no"}\r\nsig2\r\n');
    assert.deepEqual(r.closed(), []);
  });

  it('tells a client that waits of the reason, when it said !errors and only then', () => {
    const notice = { code: 'waiting', detail: 'touch it' } as const;
    const r = record();
    send(r, '!errors\r\n');
    r.session.notify(notice);
    assert.equal(r.output(), '', 'nobody waits');
    send(r, 'a\r\n');
    r.session.notify(notice);
    r.sign(1);
    r.session.notify(notice);
    assert.equal(r.output(), '!notice {"code":"waiting","detail":"touch it"}\r\nsig1\r\n');
    const old = record();
    send(old, 'a\r\n');
    old.session.notify(notice);
    assert.equal(old.output(), '');
  });

  it('takes !errors for a request when it is not the first line', () => {
    const r = record();
    send(r, '!ping\r\n!errors\r\n');
    assert.deepEqual(r.requests, [{ id: 2, line: '!errors' }]);
  });

  it('answers a ping in its turn', () => {
    const r = record();
    send(r, 'a\r\n!ping\r\n');
    assert.equal(r.output(), '');
    r.sign(1);
    assert.equal(r.output(), 'sig1\r\n!pong\r\n');
  });

  it('lets only so many requests wait, and takes the others when there is room', () => {
    const r = record();
    send(r, 'x\r\n'.repeat(MAX_PIPELINED_REQUESTS + 2));
    assert.equal(r.requests.length, MAX_PIPELINED_REQUESTS);
    assert.equal(r.session.nextLineBytes, undefined);
    assert.ok(!r.session.needsBytes, 'there is a line already');
    r.sign(1);
    takeLines(r.session);
    assert.equal(r.requests.length, MAX_PIPELINED_REQUESTS + 1);
    r.sign(2);
    takeLines(r.session);
    assert.ok(r.session.needsBytes);
    assert.equal(r.requests.length, MAX_PIPELINED_REQUESTS + 2);
  });

  it('takes one line at a time, and keeps the others as they came', () => {
    const r = record();
    r.session.receive(Buffer.from('!errors\r\na\r\n\r\nb'));
    assert.deepEqual(r.requests, []);
    assert.equal(r.session.nextLineBytes, '!errors\r\n'.length);
    r.session.takeLine();
    assert.deepEqual(r.requests, []);
    r.session.takeLine();
    assert.deepEqual(
      r.requests.map(({ line }) => line),
      ['a'],
    );
    assert.equal(r.session.nextLineBytes, '\r\n'.length);
    r.session.takeLine();
    assert.ok(r.session.isMidLine);
    r.session.takeLine();
    assert.equal(r.requests.length, 2);
  });

  it('takes the lines it has before it ends, unless they are not wanted any more', () => {
    for (const [how, lines] of [
      ['end', 2],
      ['abandon', 1],
    ] as const) {
      const r = record();
      r.session.receive(Buffer.from('a\r\nb\r\n'));
      r.session.takeLine();
      r.session[how]('over');
      r.session.receive(Buffer.from('c\r\n'));
      assert.deepEqual(r.closed(), []);
      takeLines(r.session);
      r.sign(1);
      r.sign(2);
      assert.equal(r.requests.length, lines);
      assert.deepEqual(r.closed(), ['over']);
    }
  });

  it('answers a flood of refused lines without growing the stack', () => {
    const lines = 50_000;
    let output = 0;
    const session = new ServerSession((event) => {
      if (event.kind === 'request') {
        session.answer(event.id, { kind: 'refusal', refusal: { code: 'malformed', detail: '' } });
      } else if (event.kind === 'write') {
        output += event.text.split('\r\n').length - 1;
      }
    });
    session.receive(Buffer.from(`!errors\r\n${'x\r\n'.repeat(lines)}`));
    takeLines(session);
    assert.equal(output, lines);
    assert.ok(session.isIdle);
  });

  it('answers what was asked before the client ended its side', () => {
    const r = record();
    send(r, 'a\r\nhalf');
    assert.ok(r.session.isMidLine);
    r.session.endInput();
    assert.deepEqual(r.closed(), []);
    r.sign(1);
    assert.equal(r.output(), 'sig1\r\n');
    assert.deepEqual(r.closed(), ['truncated line']);
  });

  it('closes once', () => {
    const r = record();
    r.session.endInput();
    r.session.end('again');
    send(r, 'a\r\n');
    assert.deepEqual(r.closed(), ['client closed']);
    assert.deepEqual(r.requests, []);
  });

  for (const [name, text, reason] of [
    ['LF alone', 'ok\r\na\n', 'bare-line-ending'],
    ['an over-long line', `ok\r\n${'x'.repeat(MAX_LINE_BYTES + 1)}`, 'line-too-long'],
    ['NUL', 'ok\r\n\0\r\n', 'control-character'],
  ] as const) {
    it(`closes at ${name}, after answering what came before`, () => {
      const r = record();
      send(r, text);
      assert.deepEqual(r.closed(), []);
      assert.deepEqual(r.noLines(), [reason]);
      r.sign(1);
      send(r, text);
      assert.equal(r.output(), 'sig1\r\n');
      assert.deepEqual(r.closed(), [reason]);
      assert.deepEqual(r.noLines(), [reason], 'told once');
    });
  }

  it('ignores answers to what was not asked, and second answers', () => {
    const r = record();
    send(r, 'a\r\nb\r\n');
    r.sign(7);
    r.sign(2);
    r.sign(2);
    r.sign(1);
    r.sign(1);
    assert.equal(r.output(), 'sig1\r\nsig2\r\n');
  });

  it('holds for any mix of lines, cuts and answers: a reply a request, in order', () => {
    const line = fc.constantFrom('a', '!ping', 'b');
    fc.assert(
      fc.property(fc.array(line, { maxLength: 80 }), fc.nat(1000), (lines, seed) => {
        const r = record();
        const bytes = Buffer.from(lines.map((l) => `${l}\r\n`).join(''));
        let at = 0;
        let answered = 0;
        for (let n = seed; at < bytes.length; n = (n * 31 + 7) % 1009) {
          const size = 1 + (n % 9);
          send(r, bytes.subarray(at, at + size));
          at += size;
          if (n % 3 === 0) {
            r.requests.slice(answered).forEach(({ id }) => {
              r.sign(id);
            });
            answered = r.requests.length;
          }
        }
        while (answered < r.requests.length) {
          r.sign(r.requests[answered]?.id ?? 0);
          takeLines(r.session);
          answered += 1;
        }
        const replies = r.output().split('\r\n').slice(0, -1);
        assert.deepEqual(
          replies,
          lines.map((l, n) => (l === '!ping' ? '!pong' : `sig${n + 1}`)),
        );
      }),
    );
  });
});
