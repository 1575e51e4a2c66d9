// Syslog priorities before the lines on standard error: where systemd reads it, and where they are
// asked for.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  askOnce,
  makeSectionBed,
  orderFor,
  startInBed,
} from '../../support/daemon/daemon-sections.js';

const TOML = `privkey = "file:@/account.pem"
socket = "@/S"
default-policy = "web"
[policy.web]
operations = ["new-order"]
identifiers = ["www.example.org"]
`;
const REFUSED = /"rule":"web\.identifiers"/;

describe('the lines on standard error', () => {
  for (const [how, setting, args, isPrefixed] of [
    ['by the setting', 'log-priorities = true\n', [], true],
    ['by the option', '', ['--log-priorities'], true],
    ['not by themselves', '', [], false],
  ] as const) {
    it(`begin with their priority ${how}`, async (t) => {
      const bed = await makeSectionBed(t, setting + TOML);
      const daemon = await startInBed(t, bed, { args, waitFor: { socket: bed.path('S') } });
      assert.equal(await askOnce(t, bed.path('S'), orderFor('www.example.org')), 'signed');
      assert.match(await askOnce(t, bed.path('S'), orderFor('mail.example.org')), REFUSED);
      await daemon.stop();
      const lines = daemon.stderr.trimEnd().split('\n');
      const begin = isPrefixed ? /^<[3-7]>clavigerd: / : /^clavigerd: /;
      assert.deepEqual(
        lines.filter((line) => !begin.test(line)),
        [],
      );
      // Information, notice and warning of syslog(3).
      const priority = (level: number): string => (isPrefixed ? `<${level}>` : '');
      for (const [level, event] of [
        [6, 'connected'],
        [5, 'signed'],
        [4, 'refused .*code=denied'],
        [5, 'stopping'],
      ] as const) {
        assert.match(daemon.stderr, new RegExp(`^${priority(level)}clavigerd: .*${event}`, 'm'));
      }
    });
  }
});
