// Runs in the token helper: lists the tokens of a module and finds the one that a selector names.
// Slot numbers change when a token is initialised or a reader is plugged in again, so tokens are
// named by label or serial number.

import pkcs11js from 'pkcs11js';
import { AppError } from '../lib/errors.js';
import { withoutPadding } from '../lib/padding.js';
import { printable } from '../lib/printable.js';
import { parseULong } from './attributes.js';
import {
  isMatchingToken,
  MAX_TOKENS_LISTED,
  type TokenInfo,
  type TokenSelector,
} from './messages.js';
import { callToken } from './pkcs11-failure.js';
import { noNetworkHint } from './network-reach.js';
import { describeSelector, nameTokens, tokenTable } from './token-table.js';

export interface Token {
  readonly slot: pkcs11js.Handle;
  readonly info: TokenInfo;
}

/** Attributes of a selector that are not the token's own. */
type Surroundings = Pick<
  TokenInfo,
  | 'slotDescription'
  | 'slotManufacturer'
  | 'libraryManufacturer'
  | 'libraryDescription'
  | 'libraryVersion'
>;

/**
 * Every token present, uninitialised ones included.
 * @throws AppError TOKEN_FAILED
 */
export function listTokens(lib: pkcs11js.PKCS11): Token[] {
  const slots = callToken('C_GetSlotList', () => lib.C_GetSlotList(true));
  if (slots.length > MAX_TOKENS_LISTED) {
    throw new AppError('TOKEN_FAILED', `token: the module shows more than ${MAX_TOKENS_LISTED}`, {
      hint: 'among so many, that one token is the only one of its name cannot be told',
    });
  }
  const library = readLibrary(lib);
  const tokens: Token[] = [];
  for (const slot of slots) {
    const info = readTokenInfo(lib, slot);
    if (info !== undefined) {
      tokens.push({ slot, info: { ...info, ...readSlot(lib, slot), ...library } });
    }
  }
  return tokens;
}

function readLibrary(lib: pkcs11js.PKCS11): Surroundings {
  try {
    const { manufacturerID, libraryDescription, libraryVersion } = lib.C_GetInfo();
    return {
      libraryManufacturer: withoutPadding(manufacturerID),
      libraryDescription: withoutPadding(libraryDescription),
      libraryVersion: `${libraryVersion.major}.${libraryVersion.minor}`,
    };
  } catch {
    return {};
  }
}

function readSlot(lib: pkcs11js.PKCS11, slot: pkcs11js.Handle): Surroundings {
  try {
    const { slotDescription, manufacturerID } = lib.C_GetSlotInfo(slot);
    return {
      slotDescription: withoutPadding(slotDescription),
      slotManufacturer: withoutPadding(manufacturerID),
    };
  } catch {
    return {};
  }
}

/** Undefined for a token that was removed or is broken: the others are listed all the same. */
function readTokenInfo(lib: pkcs11js.PKCS11, slot: pkcs11js.Handle): TokenInfo | undefined {
  let raw: pkcs11js.TokenInfo;
  try {
    raw = lib.C_GetTokenInfo(slot);
  } catch {
    return undefined;
  }
  const has = (flag: number): boolean => (raw.flags & flag) !== 0;
  return {
    label: withoutPadding(raw.label),
    serial: withoutPadding(raw.serialNumber),
    manufacturer: withoutPadding(raw.manufacturerID),
    model: withoutPadding(raw.model),
    slotId: parseULong(slot) ?? 0,
    initialized: has(pkcs11js.CKF_TOKEN_INITIALIZED),
    loginRequired: has(pkcs11js.CKF_LOGIN_REQUIRED),
    pinState: has(pkcs11js.CKF_USER_PIN_LOCKED)
      ? 'locked'
      : has(pkcs11js.CKF_USER_PIN_FINAL_TRY)
        ? 'final-try'
        : has(pkcs11js.CKF_USER_PIN_COUNT_LOW)
          ? 'count-low'
          : 'ok',
  };
}

/**
 * The only initialised token that matches.
 * @throws AppError TOKEN_NOT_FOUND or TOKEN_AMBIGUOUS; the first line of the hint names the
 *   tokens, a table follows.
 * @param modulePath of the shared library, for the hint
 */
export function selectToken(
  tokens: readonly Token[],
  selector: TokenSelector,
  modulePath: string,
): Token {
  const usable = tokens.filter(({ info }) => info.initialized);
  const matching = usable.filter(({ info }) => isMatchingToken(info, selector));
  const [first, second] = matching;
  if (first === undefined) {
    throw new AppError('TOKEN_NOT_FOUND', `token: none matches ${describeSelector(selector)}`, {
      hint: describeSeen(tokens, usable, selector, modulePath),
    });
  }
  if (second !== undefined) {
    throw new AppError(
      'TOKEN_AMBIGUOUS',
      `token: ${matching.length} tokens match ${describeSelector(selector)}`,
      {
        hint: `name one by its serial (serial= in the URI, or --serial): ${nameTokens(infosOf(matching))}\n${tokenTable(infosOf(matching), selector)}`,
      },
    );
  }
  return first;
}

function describeSeen(
  tokens: readonly Token[],
  usable: readonly Token[],
  selector: TokenSelector,
  modulePath: string,
): string {
  if (tokens.length === 0) {
    return `the module shows no token: is it plugged in, and may this user reach it?${noNetworkHint()}`;
  }
  const what =
    usable.length === 0
      ? 'no initialised token'
      : `the tokens ${nameTokens(usable.map(({ info }) => info))}`;
  const list = `clavigerd key list --module=${printable(modulePath)}`;
  return `the module shows ${what}; to see them and their keys: ${list}\n${tokenTable(infosOf(tokens), selector)}`;
}

function infosOf(tokens: readonly Token[]): TokenInfo[] {
  return tokens.map(({ info }) => info);
}
