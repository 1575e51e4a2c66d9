// Runs in the token helper: describes tokens and selectors with the attribute names of a pkcs11:
// URI, for errors when none or several match. Pure. Does not trust texts of tokens, which are
// escaped.

import { printable } from '../lib/printable.js';
import { formatTable } from '../lib/table.js';
import { SELECTED_ATTRIBUTES, type TokenInfo, type TokenSelector } from './messages.js';

const MAX_TOKENS_SHOWN = 8;
/** CK_TOKEN_INFO has 32 bytes for a label. */
const MAX_NAME = 40;

/** The attribute names of the URI. */
const ATTRIBUTE_NAMES: Readonly<Record<keyof TokenSelector, string>> = {
  label: 'token',
  serial: 'serial',
  manufacturer: 'manufacturer',
  model: 'model',
  slotId: 'slot-id',
  slotDescription: 'slot-description',
  slotManufacturer: 'slot-manufacturer',
  libraryManufacturer: 'library-manufacturer',
  libraryDescription: 'library-description',
  libraryVersion: 'library-version',
};
/** Columns that are always shown; others are when the selector names them. */
const USUAL_COLUMNS: ReadonlySet<string> = new Set([
  'label',
  'serial',
  'manufacturer',
  'model',
  'slotId',
]);

/** The attributes of a selector: `token="acme" serial="1234"`. */
export function describeSelector(selector: TokenSelector): string {
  const parts = SELECTED_ATTRIBUTES.filter((name) => selector[name] !== undefined).map(
    (name) => `${ATTRIBUTE_NAMES[name]}=${JSON.stringify(selector[name])}`,
  );
  return parts.length === 0 ? '(no token named)' : parts.join(' ');
}

/** The tokens in one line: `"acme" (serial 1234), ...`. */
export function nameTokens(tokens: readonly TokenInfo[]): string {
  const names = tokens
    .slice(0, MAX_TOKENS_SHOWN)
    .map(
      ({ label, serial }) =>
        `"${printable(label, MAX_NAME)}" (serial ${printable(serial, MAX_NAME)})`,
    );
  const more = tokens.length - names.length;
  return [...names, ...(more > 0 ? [`and ${more} more`] : [])].join(', ');
}

/** The tokens as a table: the usual columns, and those that the selector names. */
export function tokenTable(tokens: readonly TokenInfo[], selector: TokenSelector): string {
  const columns = SELECTED_ATTRIBUTES.filter(
    (name) => USUAL_COLUMNS.has(name) || selector[name] !== undefined,
  );
  const rows = tokens
    .slice(0, MAX_TOKENS_SHOWN)
    .map((info) =>
      columns.map((name) =>
        name === 'label' && !info.initialized ? '(not initialised)' : String(info[name] ?? ''),
      ),
    );
  const lines = formatTable(
    columns.map((name) => ATTRIBUTE_NAMES[name].toUpperCase()),
    rows,
  );
  const more = tokens.length - rows.length;
  return [...lines, ...(more > 0 ? [`and ${more} more`] : [])].join('\n');
}
