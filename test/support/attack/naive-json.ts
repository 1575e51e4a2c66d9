// Another reader of JSON, slow and simple, by the letter of RFC 8259 and RFC 3629. Used by test
// processes only. It shares nothing with the reader under test, not even the decoder of UTF-8.

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/**
 * From what every reader holds for one number to what some hold for another; each kind has those
 * before it.
 */
const NUMBER_KINDS = ['integers', 'decimals', 'all'] as const;
export type NumberKind = (typeof NUMBER_KINDS)[number];

/** What the text stands for. */
interface NaiveReading {
  readonly value: Json;
  /** How deep its objects and arrays are. */
  readonly depth: number;
  /** The first kind that holds all its numbers. */
  readonly numbers: NumberKind;
}

/**
 * Reads JSON; undefined when it is to be refused.
 * @param isPatient the last of two members with one name counts, a BOM is nothing, and U+FFFD is
 *   for what is no Unicode
 */
export function naiveReading(bytes: Uint8Array, isPatient = false): NaiveReading | undefined {
  try {
    const text = isPatient ? Array.from(new TextDecoder().decode(bytes)) : characters(bytes);
    return new NaiveReader(text, isPatient).read();
  } catch (error) {
    if (error instanceof NoJson) {
      return undefined;
    }
    throw error;
  }
}

class NoJson extends Error {}

/** RFC 3629 §3: the shortest form only, no surrogates, nothing above U+10FFFF. */
function characters(bytes: Uint8Array): readonly string[] {
  const found: string[] = [];
  for (let at = 0; at < bytes.length; at += 1) {
    const first = bytes[at] ?? 0;
    const more = first < 0x80 ? 0 : first < 0xc0 ? -1 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    let code = more === 0 ? first : first & (0x3f >> more);
    for (let step = 0; step < more; step += 1) {
      at += 1;
      const next = bytes[at] ?? 0;
      require((next & 0xc0) === 0x80);
      code = code * 64 + (next & 0x3f);
    }
    const least = [0, 0x80, 0x800, 0x10000][more] ?? Infinity;
    require(first < 0xf8 && code >= least && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff));
    found.push(String.fromCodePoint(code));
  }
  return found;
}

class NaiveReader {
  readonly #text: readonly string[];
  readonly #isPatient: boolean;
  #at = 0;
  #depth = 0;
  #numbers = 0;

  constructor(text: readonly string[], isPatient: boolean) {
    this.#text = text;
    this.#isPatient = isPatient;
  }

  read(): NaiveReading {
    const value = this.#value(0);
    require(this.#at === this.#text.length);
    return { value, depth: this.#depth, numbers: NUMBER_KINDS[this.#numbers] ?? 'all' };
  }

  #value(depth: number): Json {
    this.#depth = Math.max(this.#depth, depth);
    this.#blanks();
    const value = this.#bareValue(depth);
    this.#blanks();
    return value;
  }

  #bareValue(depth: number): Json {
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(depth + 1);
      case '[':
        return this.#array(depth + 1);
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  #object(depth: number): Json {
    this.#depth = Math.max(this.#depth, depth);
    const members: (readonly [string, Json])[] = [];
    this.#at += 1;
    this.#blanks();
    if (!this.#skip('}')) {
      do {
        this.#blanks();
        const name = this.#string();
        require(this.#isPatient || !members.some(([other]) => other === name));
        this.#blanks();
        require(this.#skip(':'));
        members.push([name, this.#value(depth)]);
      } while (this.#skip(','));
      require(this.#skip('}'));
    }
    return Object.fromEntries(members);
  }

  #array(depth: number): Json {
    this.#depth = Math.max(this.#depth, depth);
    const items: Json[] = [];
    this.#at += 1;
    this.#blanks();
    if (!this.#skip(']')) {
      do {
        items.push(this.#value(depth));
      } while (this.#skip(','));
      require(this.#skip(']'));
    }
    return items;
  }

  #string(): string {
    require(this.#skip('"'));
    let found = '';
    while (!this.#skip('"')) {
      const character = this.#text[this.#at] ?? '\0';
      require(character >= ' ');
      this.#at += 1;
      found += character === '\\' ? this.#escape() : character;
    }
    const isLone = (each: string): boolean => /^[\ud800-\udfff]$/.test(each);
    require(this.#isPatient || !Array.from(found).some(isLone));
    return Array.from(found, (each) => (isLone(each) ? '\ufffd' : each)).join('');
  }

  #escape(): string {
    const letter = this.#text[this.#at] ?? '';
    this.#at += 1;
    if (letter === 'u') {
      const digits = this.#text.slice(this.#at, this.#at + 4).join('');
      require(/^[0-9A-Fa-f]{4}$/.test(digits));
      this.#at += 4;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const index = '"\\/bfnrt'.indexOf(letter);
    require(letter !== '' && index >= 0);
    return '"\\/\b\f\n\r\t'.charAt(index);
  }

  #number(): number {
    let literal = '';
    while (/^[-+.0-9Ee]$/.test(this.#text[this.#at] ?? '')) {
      literal += this.#text[this.#at] ?? '';
      this.#at += 1;
    }
    require(/^-?(0|[1-9][0-9]*)(\.[0-9]+)?([Ee][-+]?[0-9]+)?$/.test(literal));
    this.#numbers = Math.max(this.#numbers, NUMBER_KINDS.indexOf(kindOf(literal)));
    return Number(literal);
  }

  #word<T>(word: string, value: T): T {
    require(Array.from(word).every((letter) => this.#skip(letter)));
    return value;
  }

  #blanks(): void {
    while ([' ', '\t', '\n', '\r'].includes(this.#text[this.#at] ?? '')) {
      this.#at += 1;
    }
  }

  #skip(character: string): boolean {
    const isThere = this.#text[this.#at] === character;
    this.#at += isThere ? 1 : 0;
    return isThere;
  }
}

/**
 * Zero has no sign, integers are those that count in a double, and decimals have as many digits as
 * a double keeps.
 */
function kindOf(literal: string): NumberKind {
  if (/^-[0.]+$/.test(literal)) {
    return 'all';
  }
  if (/^-?[0-9]+$/.test(literal)) {
    const integer = BigInt(literal);
    const isExact = -(2n ** 53n) < integer && integer < 2n ** 53n;
    return isExact ? 'integers' : 'all';
  }
  const isShort = /^-?[0-9]+\.[0-9]+$/.test(literal) && literal.replace(/[-.]/g, '').length <= 15;
  return isShort ? 'decimals' : 'all';
}

function require(condition: boolean): void {
  if (!condition) {
    throw new NoJson();
  }
}
