// JSON texts as a hostile writer makes them, and bytes with a few changes. Used by test processes
// only.

import fc from 'fast-check';

const BLANKS = ['', '', '', ' ', '\n', '\t\r'];
const NAMES = ['a', 'b', 'url', 'Url', '__proto__', 'constructor', '', 'é', '😀', '\0', '"', '\\'];

/** A string as JSON writes it, with escapes where none are needed. */
export const anyLiteral = (text: string): fc.Arbitrary<string> =>
  fc.array(fc.nat(3), { minLength: 1, maxLength: 8 }).map((choices) => {
    const parts = Array.from(text, (character, at) =>
      choices[at % choices.length] === 0
        ? character.split('').map(unicodeEscape).join('')
        : JSON.stringify(character).slice(1, -1),
    );
    return `"${parts.join('')}"`;
  });

function unicodeEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

const anyName = fc.constantFrom(...NAMES).chain(anyLiteral);
const anyString = fc
  .oneof(fc.string({ unit: 'grapheme', maxLength: 6 }), fc.constantFrom(...NAMES))
  .chain(anyLiteral);
const anyScalar = fc.oneof(
  anyString,
  fc.maxSafeInteger().map(String),
  fc.constantFrom('0', '9007199254740991', '-9007199254740991', 'null', 'false', 'true'),
);
/** Numbers that two readers may hold for different ones, and some that they may not. */
const otherNumber = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((each) => JSON.stringify(each)),
  fc
    .tuple(fc.maxSafeInteger(), fc.nat(999_999_999))
    .map(([whole, decimals]) => `${whole % 10_000_000}.${decimals}`),
  fc.constantFrom('-0', '0.10', '1e308', '9007199254740992', '9007199254740993', '1E-999', '1.0'),
  fc.constantFrom('-0.0', '-0.0e+1', '0.1234567890123456', '0.12345678901234', '1e999', '1e0'),
);
/** What is no value, or none to be taken. */
const badScalar = fc.constantFrom(
  ...[
    '-1e309',
    '9'.repeat(310),
    '01',
    '-',
    '1.e1',
    '1e',
    '-.5',
    '+1',
    '.5',
    '1.',
    '0x1',
    'NaN',
    'Infinity',
    'True',
  ],
  ...[
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\ud83d\\u0020"',
    '"\\x41"',
    '"\\u00g0"',
    "'a'",
    '"\u0001"',
  ],
  ...['\ufeff', '/**/1', '', 'nul', '"a', '{"a"}', '[1,]', '{,}', '\u00a01', '1\0', '1 1'],
);

const joined = (open: string, parts: readonly string[], close: string): string =>
  `${open}${parts.join(',')}${close}`;

function nested(scalar: fc.Arbitrary<string>, isUnique: boolean): fc.Arbitrary<string> {
  const blank = fc.constantFrom(...BLANKS);
  const { value } = fc.letrec<{ value: string; member: readonly [string, string] }>((tie) => ({
    member: fc
      .tuple(blank, anyName, blank, tie('value'))
      .map(([before, name, after, inner]) => [name, `${before}${name}${after}:${inner}`] as const),
    value: fc
      .tuple(
        blank,
        fc.oneof(
          { maxDepth: 5, depthIdentifier: 'json' },
          scalar,
          fc
            .array(tie('value'), { maxLength: 4, depthIdentifier: 'json' })
            .map((items) => joined('[', items, ']')),
          fc
            .array(tie('member'), { maxLength: 4, depthIdentifier: 'json' })
            .map((members) => joined('{', membersOf(members, isUnique), '}')),
        ),
        blank,
      )
      .map((parts) => parts.join('')),
  }));
  return value;
}

function membersOf(
  members: readonly (readonly [string, string])[],
  isUnique: boolean,
): readonly string[] {
  const byName = new Map(members.map(([name, text]) => [JSON.parse(name), text]));
  return isUnique ? [...byName.values()] : members.map(([, text]) => text);
}

/** JSON that has one reading. */
export const goodJson = nested(anyScalar, true);

/** JSON, or nearly so: duplicates are likely, and values that are none. */
export const nearlyJson = nested(
  fc.oneof(
    { weight: 12, arbitrary: anyScalar },
    { weight: 1, arbitrary: otherNumber },
    { weight: 1, arbitrary: badScalar },
  ),
  false,
);

/** Bytes with octets changed, put in and left out. */
export function mutatedBytes(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Buffer> {
  const octet = fc.oneof(
    fc.nat(255),
    fc.constantFrom(...Buffer.from('{}[],:"\\u0 \t.-_=Aé\ufeff\r\n\0')),
  );
  const change = fc.record({
    at: fc.nat(),
    octet,
    kind: fc.constantFrom('change', 'insert', 'remove'),
  });
  return fc
    .tuple(bytes, fc.array(change, { minLength: 1, maxLength: 3 }))
    .map(([original, changes]) => {
      const octets = [...original];
      for (const { at, octet: put, kind } of changes) {
        const place = at % (octets.length + 1);
        octets.splice(place, kind === 'insert' ? 0 : 1, ...(kind === 'remove' ? [] : [put]));
      }
      return Buffer.from(octets);
    });
}

/**
 * Values that the strict reader takes when JSON.stringify has written them: no number but integers.
 */
export const strictJsonValue: fc.Arbitrary<unknown> = fc.jsonValue().map(withIntegers);

function withIntegers(value: unknown): unknown {
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) ? value : 1;
  }
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  return Array.isArray(value)
    ? value.map(withIntegers)
    : Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withIntegers(each)]));
}
