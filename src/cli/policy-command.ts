// The `clavigerd policy` commands: try a policy on requests, and say in sentences what it permits. They read the
// configuration as the daemon does; no key is opened, no budget spent, nothing written.

import { readFileSync, statSync } from 'node:fs';
import type { Command } from 'commander';
import { DEFAULT_ACCOUNT, type AccountConfig } from '../config/account-settings.js';
import type { ClavigerdConfig } from '../config/clavigerd-config.js';
import type { ListenConfig } from '../config/listen-settings.js';
import { parsePublicJwk, type PublicJwk } from '../jose/public-jwk.js';
import { AppError, isAppError, messageOf } from '../lib/errors.js';
import { printable } from '../lib/printable.js';
import { parseStrictJson } from '../lib/strict-json.js';
import { explainPolicy } from '../policy/explain-policy.js';
import { parseNamedPolicy, type NamedPolicy } from '../policy/named-policy.js';
import { loadDaemonConfig } from './daemon-config.js';
import { EXIT_FAILURE, EXIT_OK } from './failure.js';
