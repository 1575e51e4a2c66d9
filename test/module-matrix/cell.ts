// What one cell of the matrix of modules comes to: the report of the process that ran it, and its
// parser.

import * as v from 'valibot';

const report = v.variant('outcome', [
  v.strictObject({
    type: v.string(),
    outcome: v.literal('signed'),
    algorithm: v.picklist(['RS256', 'ES256', 'ES384', 'ES512', 'EdDSA']),
    jwk: v.unknown(),
    inputs: v.array(v.string()),
    signatures: v.array(v.string()),
  }),
  v.strictObject({
    type: v.string(),
    outcome: v.literal('failed'),
    code: v.string(),
    message: v.string(),
    hint: v.string(),
    printed: v.array(v.string()),
  }),
]);

export type CellReport = v.InferOutput<typeof report>;

/** What test/module-matrix/main.ts printed. */
export function parseReport(text: string): CellReport {
  return v.parse(report, JSON.parse(text));
}
