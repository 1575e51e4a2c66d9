// Whatever is done to a log of six records of all kinds, in one file and in several: what
// verification does not find is listed here, and nothing else.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { attackFiles } from '../../../support/audit/audit-attack-result.js';
import {
  byteAttacks,
  contentsOf,
  cutAttacks,
  judge,
  knownOf,
  makeFiles,
  openEndAttacks,
  recordAttacks,
  type Attack,
} from '../../../support/audit/audit-attack.js';

/** Of each byte; the longer `npm run attack:audit` has all eight to choose from. */
const FLIPS = 2;

const LAYOUTS: Readonly<Record<string, readonly number[]>> = {
  'one file': [6],
  'three files': [1, 3, 2],
};

for (const [layout, sizes] of Object.entries(LAYOUTS)) {
  const files = makeFiles(sizes);
  const contents = contentsOf(files);
  const kinds: Readonly<Record<string, () => Iterable<Attack>>> = {
    'each byte': () => byteAttacks(contents, FLIPS),
    'each cut': () => cutAttacks(contents),
    'each record': () => recordAttacks(files),
    'each end of a file': () => openEndAttacks(files),
  };
  describe(`an audit log in ${layout}`, () => {
    it('is good as it is', () => {
      const { report, shown } = judge(contents, knownOf(files));
      assert.deepEqual(report.findings, []);
      assert.deepEqual(shown, files.flat());
    });

    for (const [kind, attacks] of Object.entries(kinds)) {
      it(`shows what is done to ${kind}`, () => {
        const { tried, ...passed } = attackFiles(files, attacks());
        assert.ok(tried > 100, `${tried} attacks`);
        assert.deepEqual(passed, { unexcused: [], unexcusedWithHead: [], untrue: [] });
      });
    }
  });
}
