// The rules of docs/architecture.md that a program can check: who may import whom, which file may
// open which door (native code, network, processes, environment), how files are named and how long
// they may be.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { basename } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ERROR_CODES } from '../../src/lib/error-codes.js';
import { type SourceFile, loadedBy, parseSource, readSourceTree } from '../support/source-tree.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const SOURCES = readSourceTree(ROOT, 'src');
const TESTS = readSourceTree(ROOT, 'test');

const MAX_FILE_LINES = 250;
const MAX_HEADER_LINES = 10;
const MAX_FOLDER_FILES = 20;

/**
 * What the files of each folder may import, the folder itself aside: other folders, each without
 * those below it, and single files.
 */
const ALLOWED_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  'lib/json': ['lib'],
  jose: ['lib', 'lib/json'],
  x509: ['lib'],
  protocol: ['lib', 'lib/json', 'jose'],
  config: ['lib'],
  'config/daemon': ['lib', 'config'],
  'config/client': ['lib', 'config'],
  policy: ['lib', 'lib/json', 'jose', 'x509'],
  sys: ['lib', 'sys/files'],
  'sys/files': ['lib', 'sys/user.ts'],
  budgets: ['lib', 'lib/json', 'sys', 'sys/files', 'policy'],
  audit: ['lib', 'lib/json', 'sys', 'sys/files'],
  token: ['lib', 'lib/json', 'jose', 'sys/user.ts', 'token/admin'],
  'token/admin': ['lib', 'jose', 'token'],
  'keys/pkcs11': ['lib', 'lib/json', 'sys', 'sys/files', 'token/messages.ts'],
  'keys/pin': [
    'lib',
    'lib/json',
    'sys',
    'sys/files',
    'token/messages.ts',
    'token/token-error.ts',
    'keys/key-context.ts',
    'keys/pkcs11',
  ],
  'keys/helper': [
    ...['lib', 'sys', 'sys/files', 'token/messages.ts', 'token/token-error.ts'],
    ...['keys/pkcs11', 'keys/pin'],
    ...['keys/key-context.ts', 'keys/account-key.ts', 'keys/fair-queue.ts'],
  ],
  'keys/software': [
    ...['lib', 'jose', 'sys', 'sys/files', 'keys/pin'],
    ...['keys/key-context.ts', 'keys/account-key.ts', 'keys/fair-queue.ts'],
  ],
  keys: [
    ...['lib', 'jose', 'sys', 'sys/files', 'token/messages.ts'],
    ...['keys/pkcs11', 'keys/pin', 'keys/helper', 'keys/software'],
  ],
  'keys/admin': [
    ...[
      'lib',
      'jose',
      'token/messages.ts',
      'token/token-error.ts',
      'keys',
      'keys/pkcs11',
      'keys/pin',
      'keys/helper',
    ],
  ],
  daemon: [
    ...[
      'lib',
      'jose',
      'protocol',
      'config/daemon',
      'policy',
      'x509',
      'budgets',
      'sys',
      'sys/files',
      'audit',
    ],
    ...['keys', 'keys/pkcs11', 'daemon/refusals'],
  ],
  'daemon/refusals': ['lib', 'policy', 'audit', 'protocol', 'sys', 'daemon/decision-record.ts'],
  acme: ['lib', 'lib/json', 'jose', 'x509/identifier.ts', 'acme/transport'],
  'acme/transport': ['lib', 'lib/json', 'jose', 'acme'],
  'client/state': [
    'lib',
    'lib/json',
    'sys',
    'sys/files',
    'acme',
    'x509/identifier.ts',
    'config/client',
    'client/acme-access.ts',
  ],
  'client/signer': ['lib', 'jose', 'protocol', 'config/client', 'acme', 'sys', 'sys/files'],
  'client/answer': ['lib', 'config', 'config/client', 'acme', 'sys', 'sys/files'],
  'client/install': [
    ...[
      'lib',
      'config/client',
      'acme',
      'x509',
      'sys',
      'sys/files',
      'client/state',
      'client/acme-access.ts',
    ],
  ],
  'client/renewal': [
    ...[
      'lib',
      'lib/json',
      'config/client',
      'acme',
      'x509/identifier.ts',
      'sys',
      'sys/files',
      'client/state',
      'client/install',
    ],
    'client/acme-access.ts',
  ],
  client: [
    ...['lib', 'config/client', 'acme', 'acme/transport', 'sys', 'sys/files', 'client/state'],
    ...['client/signer', 'client/answer', 'client/install', 'client/renewal'],
    'x509/identifier.ts',
  ],
  cli: ['**'],
  'cli/terminal': ['lib', 'lib/json', 'sys', 'sys/files', 'config', 'keys'],
  'cli/daemon': ['**'],
  'cli/key': ['**'],
  'cli/pin': ['**'],
  'cli/audit': ['**'],
  'cli/policy': ['**'],
  'cli/client': ['**'],
};

interface Door {
  readonly name: string;
  readonly opens: RegExp;
  readonly allowed: RegExp;
}

const MODULE_DOORS: readonly Door[] = [
  { name: 'native code', opens: /^(pkcs11js|graphene-pk11)$/, allowed: /^src\/token\// },
  {
    name: 'OpenPGP library',
    opens: /^openpgp$/,
    allowed: /^src\/keys\/software\/openpgp-key\.ts$/,
  },
  {
    name: 'child processes',
    opens: /^node:(child_process|cluster|worker_threads)$/,
    allowed:
      /^src\/(keys\/(helper\/helper-process|software\/gpg-process|pin\/pin-command|pin\/pinentry)|sys\/(files\/file-lock|descriptor-kinds)|client\/signer\/signer-transport)\.ts$/,
  },
  {
    name: 'network',
    opens: /^node:(http|https|http2|tls|dgram|dns|quic)(\/.*)?$/,
    allowed: /^src\/(client\/answer\/http01-server|acme\/transport\/http)\.ts$/,
  },
  { name: 'code made of text', opens: /^node:(vm|repl|inspector|module)(\/.*)?$/, allowed: /^$/ },
];

/** What `node:net` has beside functions that only read the text of an address, and types. */
const SOCKETS: Door = {
  name: 'sockets',
  opens: /^(?!isIP(v[46])?$)/,
  allowed:
    /^src\/(daemon\/listener|sys\/accepted-socket|keys\/helper\/(helper-process|module-output)|client\/signer\/signer-transport)\.ts$/,
};

const GLOBAL_DOORS: readonly Door[] = [
  {
    name: 'arguments, environment and exit',
    opens: /^process\.(argv|argv0|env|exit)$/,
    allowed: /^src\/(cli\/.*|token\/helper\.ts)$/,
  },
  {
    name: 'standard output and error, past the ways out of src/cli/terminal/standard-*.ts',
    opens: /^process\.(stdout|stderr)$/,
    allowed: /^src\/cli\/daemon\/serve\.ts$/, // the one client of --stdio
  },
  {
    name: 'the user this runs as',
    opens: /^process\.gete?uid$/,
    allowed: /^src\/sys\/user\.ts$/,
  },
  { name: 'console', opens: /^console\./, allowed: /^$/ },
  {
    name: 'network without an import',
    opens: /^(fetch|WebSocket|WebSocketStream|EventSource|XMLHttpRequest)$/,
    allowed: /^$/,
  },
  {
    name: 'ways around the doors',
    opens:
      /^(globalThis|global|eval|Function|require|process\.(getBuiltinModule|binding|_linkedBinding|dlopen))$/,
    allowed: /^$/,
  },
];

/** Loaded only by what needs it: costs start-up time, or must never be in the daemon at all. */
const NEVER_AT_START_OF_DAEMON = /^(pkcs11js|graphene-pk11|openpgp|node:https?)$/;

const FORBIDDEN_NAMES = /^(utils?|helpers|common|index|misc|shared)\.ts$/;
const KEBAB_CASE = /^[a-z0-9]+(-[a-z0-9]+)*(\.test)?\.ts$/;

describe('module direction', () => {
  it('knows every folder', () => {
    const unknown = SOURCES.map((file) => folderOf(file.path)).filter(
      (name) => !(name in ALLOWED_IMPORTS),
    );
    assert.deepEqual(unknown, []);
  });

  it('is kept by every import', () => {
    assert.deepEqual(SOURCES.flatMap(wrongDirections), []);
  });

  it('is seen when broken', () => {
    const file = parseSource(
      'src/lib/x.ts',
      "import type { A } from '../jose/a.js'; await import('../cli/b.js');",
    );
    assert.equal(wrongDirections(file).length, 2);
    assert.deepEqual(
      wrongDirections(parseSource('src/keys/x.ts', "import '../token/messages.js';")),
      [],
    );
    assert.equal(
      wrongDirections(parseSource('src/keys/x.ts', "import '../token/signing.js';")).length,
      1,
    );
  });

  it('has no computed import', () => {
    const computed = SOURCES.flatMap((file) => file.imports).filter(({ target }) =>
      target.startsWith('(computed)'),
    );
    assert.deepEqual(computed, []);
  });
});

describe('the tree', () => {
  it('has no circle, of types either', () => {
    assert.deepEqual(circlesOf(SOURCES), []);
    const circle = ['a', 'b'].map((name, index) =>
      parseSource(`src/lib/${name}.ts`, `import type { X } from './${'ba'[index] ?? ''}.js';`),
    );
    assert.deepEqual(circlesOf(circle), ['src/lib/a.ts src/lib/b.ts']);
  });

  it(`has at most ${MAX_FOLDER_FILES} files in a folder`, () => {
    const counts = new Map<string, number>();
    for (const { path } of [...SOURCES, ...TESTS]) {
      const folder = path.slice(0, path.lastIndexOf('/'));
      counts.set(folder, (counts.get(folder) ?? 0) + 1);
    }
    assert.deepEqual(
      [...counts].filter(([, count]) => count > MAX_FOLDER_FILES),
      [],
    );
  });
});

describe('doors', () => {
  for (const door of MODULE_DOORS) {
    it(`${door.name}: opened by the allowed files alone`, () => {
      assert.deepEqual(wrongOpenings(SOURCES, door, importsOf), []);
    });
  }

  for (const door of GLOBAL_DOORS) {
    it(`${door.name}: opened by the allowed files alone`, () => {
      assert.deepEqual(
        wrongOpenings(SOURCES, door, (file) => [...file.globals]),
        [],
      );
    });
  }

  it(`${SOCKETS.name}: opened by the allowed files alone`, () => {
    assert.deepEqual(wrongOpenings(SOURCES, SOCKETS, netNames), []);
  });

  for (const [text, opened] of [
    ["import { env } from 'node:vm';", 1],
    ["import { lookup } from 'node:dns/promises';", 1],
    ["import { isIP, type Socket } from 'node:net';", 0],
    ["import type { Server } from 'node:net';", 0],
    ["import { isIP, connect } from 'node:net';", 1],
    ["import * as net from 'node:net';", 1],
    ["await import('node:net');", 1],
    ['process.exit(1);', 1],
    ["await fetch('https://ca.example');", 1],
    ['export const send = { fetch };', 1],
    ['globalThis.fetch(url);', 1],
    ["process.getBuiltinModule('node:net');", 1],
    ['interface Poll { fetch(): void } export const look = (poll: Poll) => poll.fetch();', 0],
    ['export const look = (fetch: () => void) => fetch();', 0],
  ] as const) {
    it(`${opened === 1 ? 'are seen when opened by' : 'are not opened by'} ${text}`, () => {
      const file = parseSource('src/lib/x.ts', text);
      const names = [
        ...MODULE_DOORS.flatMap((door) => wrongOpenings([file], door, importsOf)),
        ...GLOBAL_DOORS.flatMap((door) => wrongOpenings([file], door, () => [...file.globals])),
        ...wrongOpenings([file], SOCKETS, netNames),
      ];
      assert.equal(names.length, opened, names.join());
    });
  }

  it('stay shut in the daemon: no native code, no HTTP client, nothing heavy at its start', () => {
    const loaded = [...loadedBy(SOURCES, 'src/cli/clavigerd.ts')];
    assert.ok(loaded.length > 10, 'the daemon loads its own modules');
    assert.deepEqual(
      loaded.filter((name) => NEVER_AT_START_OF_DAEMON.test(name)),
      [],
    );
  });

  it('lead only to declared dependencies, and to built-in modules by their full name', () => {
    const declared = declaredDependencies();
    const foreign = SOURCES.flatMap((file) =>
      importsOf(file)
        .filter((target) => !target.startsWith('src/'))
        .filter(
          (target) => !declared.has(target) && !(target.startsWith('node:') && isBuiltin(target)),
        )
        .map((target) => `${file.path} imports ${target}`),
    );
    assert.deepEqual(foreign, []);
  });

  it('lead to every declared dependency', () => {
    const used = new Set(SOURCES.flatMap(importsOf));
    assert.deepEqual(
      [...declaredDependencies()].filter((name) => !used.has(name)),
      [],
    );
  });
});

describe('files', () => {
  it('are named in kebab case, for what they hold', () => {
    const badly = [...SOURCES, ...TESTS]
      .map((file) => file.path)
      .filter((path) => FORBIDDEN_NAMES.test(basename(path)) || !KEBAB_CASE.test(basename(path)));
    assert.deepEqual(badly, []);
  });

  it('have no default export and pass nothing on', () => {
    assert.deepEqual(
      pathsOf(SOURCES.filter((file) => file.hasDefaultExport || file.hasReExport)),
      [],
    );
  });

  it(`have at most ${MAX_FILE_LINES} lines`, () => {
    const long = SOURCES.filter((file) => file.text.trimEnd().split('\n').length > MAX_FILE_LINES);
    assert.deepEqual(pathsOf(long), []);
  });

  it('open with a comment that says what they are', () => {
    const shared = TESTS.filter((file) => !file.path.endsWith('.test.ts'));
    const bare = [...SOURCES, ...shared].filter((file) => {
      const lines = headerLines(file);
      return lines === 0 || lines > MAX_HEADER_LINES;
    });
    assert.deepEqual(pathsOf(bare), []);
  });

  it('have a shebang where package.json makes them commands, and only there', () => {
    const commands = SOURCES.filter((file) => file.text.startsWith('#!')).map((file) => file.path);
    assert.deepEqual(commands, ['src/cli/start-claviger.ts', 'src/cli/start-clavigerd.ts']);
  });
});

describe('error codes', () => {
  const codes = Object.values(ERROR_CODES).flat();

  it('are each thrown somewhere', () => {
    const source = SOURCES.filter((file) => file.path !== 'src/lib/error-codes.ts');
    assert.deepEqual(
      codes.filter((code) => !mentions(source, code)),
      [],
    );
  });

  it('are each produced by a test', () => {
    assert.deepEqual(
      codes.filter((code) => !mentions(TESTS, code)),
      [],
    );
  });
});

/** `lib/json` of `src/lib/json/x.ts`. */
function folderOf(path: string): string {
  return path.split('/').slice(1, -1).join('/');
}

function wrongDirections(file: SourceFile): string[] {
  const own = folderOf(file.path);
  const allowed = [own, ...(ALLOWED_IMPORTS[own] ?? [])];
  if (allowed.includes('**')) {
    return [];
  }
  return file.imports
    .filter(({ target }) => target.startsWith('src/'))
    .filter(
      ({ target }) =>
        !allowed.includes(folderOf(target)) && !allowed.includes(target.slice('src/'.length)),
    )
    .map(({ target }) => `${file.path} imports ${target}`);
}

/**
 * Files that import one another in a circle, each circle as one line: what can be removed is not in
 * one.
 */
function circlesOf(files: readonly SourceFile[]): string[] {
  let left = new Map(files.map((file) => [file.path, importsOf(file)]));
  for (let size = -1; size !== left.size;) {
    size = left.size;
    const isImported = new Set([...left.values()].flat());
    left = new Map(
      [...left].filter(
        ([path, targets]) => isImported.has(path) && targets.some((target) => left.has(target)),
      ),
    );
  }
  return left.size === 0 ? [] : [[...left.keys()].sort().join(' ')];
}

function wrongOpenings(
  files: readonly SourceFile[],
  door: Door,
  namesIn: (file: SourceFile) => readonly string[],
): string[] {
  return files
    .filter((file) => !door.allowed.test(file.path))
    .flatMap((file) =>
      namesIn(file)
        .filter((name) => door.opens.test(name))
        .map((name) => `${file.path} uses ${name}`),
    );
}

function importsOf(file: SourceFile): string[] {
  return file.imports.map((edge) => edge.target);
}

/** What a file imports from `node:net` for its run. */
function netNames(file: SourceFile): string[] {
  return file.imports
    .filter(({ target }) => target === 'node:net')
    .flatMap(({ runtimeNames }) => runtimeNames);
}

function pathsOf(files: readonly SourceFile[]): string[] {
  return files.map((file) => file.path);
}

function headerLines(file: SourceFile): number {
  const lines = file.text.split('\n');
  const first = lines[0]?.startsWith('#!') === true ? 1 : 0;
  const end = lines.findIndex((line, index) => index >= first && !line.startsWith('//'));
  return end - first;
}

function declaredDependencies(): Set<string> {
  const text = readFileSync(`${ROOT}package.json`, 'utf8');
  const parsed: unknown = JSON.parse(text);
  assert.ok(typeof parsed === 'object' && parsed !== null && 'dependencies' in parsed);
  assert.ok(typeof parsed.dependencies === 'object' && parsed.dependencies !== null);
  return new Set(Object.keys(parsed.dependencies));
}

function mentions(files: readonly SourceFile[], code: string): boolean {
  const word = new RegExp(`\\b${code}\\b`);
  return files.some((file) => word.test(file.text));
}
