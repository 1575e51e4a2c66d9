// `npm run attack:audit`: what the unit test of audit-attack does to six records, done to fifty. It takes some ten
// minutes; prints a line for each kind of attack, and what nothing was found by.

import {
  byteAttacks,
  contentsOf,
  cutAttacks,
  knownOf,
  makeFiles,
  openEndAttacks,
  recordAttacks,
  judge,
} from '../support/audit-attack.js';
import { attackFiles } from '../support/audit-attack-result.js';

const LAYOUTS: readonly (readonly number[])[] = [[50], [1, 30, 4, 15]];

let isGood = true;
for (const sizes of LAYOUTS) {
  const files = makeFiles(sizes);
  const contents = contentsOf(files);
  isGood &&= judge(contents, knownOf(files)).report.findings.length === 0;
  const kinds = {
    bytes: byteAttacks(contents),
    cuts: cutAttacks(contents),
    records: recordAttacks(files),
    'ends of files': openEndAttacks(files),
  };
  for (const [kind, attacks] of Object.entries(kinds)) {
    const { tried, unexcused, unexcusedWithHead, untrue } = attackFiles(files, attacks);
    const passed = [...unexcused, ...unexcusedWithHead, ...untrue];
    process.stdout.write(`files of ${sizes.join(', ')} records: ${kind}: ${tried} attacks\n`);
    passed.forEach((name) => process.stdout.write(`  passed: ${name}\n`));
    isGood &&= passed.length === 0 && tried > 0;
  }
}
process.stdout.write(isGood ? 'nothing passed but what is listed\n' : 'something passed\n');
process.exitCode = isGood ? 0 : 1;
