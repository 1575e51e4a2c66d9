// `clavigerd key generate`: generates a key pair in a token; with --init-token it initialises a
// blank token first, and never one that is initialised already. A process of its own, run by a
// person.

import { randomBytes } from 'node:crypto';
import { Option, type Command } from 'commander';
import type { KeyContext } from '../../keys/key-context.js';
import type { Pkcs11Uri } from '../../keys/pkcs11/uri.js';
import { generateTokenKey } from '../../keys/admin/token-admin.js';
import type { FirstPins } from '../../keys/admin/token-setup.js';
import { AppError } from '../../lib/errors.js';
import { printable } from '../../lib/printable.js';
import { KEY_TYPES, type GeneratedKeyType } from '../../token/messages.js';
import {
  eitherName,
  keyContext,
  printReport,
  uriOfOptions,
  withNameOptions,
  withTokenOptions,
  type TokenOptions,
} from './options.js';
import { readNewPin, tokenPinFrom } from './secret-sources.js';
import { tracker } from './progress.js';
import { formatKeyReport, reportOfTokenKey } from './report.js';

interface GenerateOptions extends TokenOptions {
  readonly label?: string;
  readonly id?: string;
  readonly type: GeneratedKeyType;
  readonly initToken?: boolean;
  readonly soLogin?: boolean;
  readonly soPinSource?: string;
}

const DEFAULT_LABEL = 'claviger';
const RANDOM_ID_BYTES = 8;

/** The label and the ID for a new key. @throws AppError CONFIG_USAGE */
export function newKeyNames(
  options: Pick<GenerateOptions, 'label' | 'id'>,
  uri: Pkcs11Uri,
): { readonly label: string; readonly id: string } {
  return {
    label: eitherName(options.label, uri.key.label, 'label') ?? DEFAULT_LABEL,
    id: eitherName(options.id, uri.key.id, 'id') ?? randomBytes(RANDOM_ID_BYTES).toString('hex'),
  };
}

export function addGenerate(key: Command): void {
  withNameOptions(withTokenOptions(key.command('generate')))
    .description('make a key in a token: it cannot be read out, and only signs')
    .addOption(new Option('--type <type>', 'kind of key').choices(KEY_TYPES).default('p256'))
    .option('--init-token', 'initialise a blank token first, under the label of --token')
    .addOption(
      new Option(
        '--so-login',
        'log in as the security officer (ykcs11: the management key)',
      ).conflicts('initToken'),
    )
    .option('--so-pin-source <source>', 'where the PIN of the security officer comes from')
    .action(async (options: GenerateOptions) => {
      await generate(options);
    });
}

async function generate(options: GenerateOptions): Promise<void> {
  const uri = uriOfOptions(options);
  const { type } = options;
  const wanted = { type, ...newKeyNames(options, uri) };
  const context = keyContext(options);
  const track = tracker(`generating a key of type ${type}; a smartcard may take minutes`);
  const firstPins = await readFirstPins(options, uri, context);
  try {
    const soPin =
      options.soLogin === true
        ? tokenPinFrom({ option: 'so-pin-source', source: options.soPinSource }, 'SO PIN', context)
        : undefined;
    const made = await generateTokenKey(uri, { ...wanted, firstPins, soPin, track }, context);
    printReport(options, reportOfTokenKey(made, uri), formatKeyReport);
  } finally {
    firstPins?.soPin.wipe();
    firstPins?.pin.wipe();
  }
}

async function readFirstPins(
  { initToken, soLogin, soPinSource }: GenerateOptions,
  uri: Pkcs11Uri,
  context: KeyContext,
): Promise<FirstPins | undefined> {
  if (initToken !== true) {
    if (soPinSource !== undefined && soLogin !== true) {
      throw new AppError('CONFIG_USAGE', '--so-pin-source: is for --init-token or --so-login');
    }
    return undefined;
  }
  if (uri.token.label === undefined) {
    throw new AppError('CONFIG_USAGE', '--init-token: the new token needs a label', {
      hint: 'name it by --token, or token= in the URI',
    });
  }
  const name = `of the new token "${printable(uri.token.label)}"`;
  const ofOfficer = { option: 'so-pin-source', source: soPinSource };
  const ofUser = { option: 'pin-source', source: uri.pinSource };
  const soPin = await readNewPin(ofOfficer, `SO PIN ${name}`, context);
  const pin = await readNewPin(ofUser, `PIN ${name}`, context);
  return { soPin, pin };
}
