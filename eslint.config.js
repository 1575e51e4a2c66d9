// Lint rules: strict type-checked TypeScript. Which folder may import which, and which file may
// open which door (native code, network, processes, environment), is checked by
// test/unit/architecture.test.ts.
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

const MAX_FUNCTION_LINES = 60;

/**
 * Counts lines with code, comments and blank ones aside. What `describe` is given is a list of
 * tests rather than one function.
 *
 * @type {import('eslint').Rule.RuleModule}
 */
const functionLines = {
  create: (context) => ({
    ':function:not(CallExpression[callee.name="describe"] > .arguments)'(
      /** @type {import('eslint').Rule.Node} */ node,
    ) {
      /** @type {Set<number>} */
      const lines = new Set();
      for (const { loc } of context.sourceCode.getTokens(node)) {
        for (let line = loc.start.line; line <= loc.end.line; line += 1) {
          lines.add(line);
        }
      }
      if (lines.size > MAX_FUNCTION_LINES) {
        const message = `${lines.size} lines of code, more than ${MAX_FUNCTION_LINES}.`;
        context.report({ node, message });
      }
    },
  }),
};

export default defineConfig(
  { ignores: ['dist/**', 'node_modules/**', '.cache/**'] },
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: {
      parserOptions: { projectService: { allowDefaultProject: ['eslint.config.js'] } },
    },
    plugins: { claviger: { rules: { 'function-lines': functionLines } } },
    rules: {
      'claviger/function-lines': 'error',
      'max-params': ['error', 4],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-unsafe-type-assertion': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      'no-console': 'error',
      eqeqeq: 'error',
      curly: 'error',
      'max-lines': ['error', { max: 250 }],
      'no-restricted-exports': ['error', { restrictDefaultExports: { direct: true } }],
    },
  },
  {
    files: ['src/**'],
    rules: {
      // JSON.parse reads a text otherwise after another one on some versions of Node: src reads
      // JSON itself.
      'no-restricted-syntax': [
        'error',
        ...[
          'Identifier[name="JSON"]:not(MemberExpression[property.name="stringify"] > .object)',
          'MemberExpression[property.name="JSON"]',
          'MemberExpression[property.value="JSON"]',
          'CallExpression[callee.property.name="json"]',
        ].map((selector) => ({
          selector,
          message:
            'Read JSON with lib/json/strict-json.ts where it decides, else with lib/json/patient-json.ts.',
        })),
        {
          selector: 'MemberExpression[property.name="canParse"]',
          message: 'On Node 20 URL.canParse gives two answers for one text: use lib/web-url.ts.',
        },
      ],
    },
  },
  {
    files: ['test/**'],
    rules: {
      // node:test returns promises from describe/it that its runner awaits itself.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', name: ['it', 'describe', 'test'], package: 'node:test' },
          ],
        },
      ],
      'max-lines': 'off',
    },
  },
  {
    files: ['src/**', 'test/**'],
    ignores: ['src/client/install/server-key.ts', 'test/support/key-pair.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          name: 'node:crypto',
          importNames: ['generateKeyPair', 'generateKeyPairSync'],
          message:
            'A generated KeyObject can stop Node 20 for ever: read the key from its DER (test/support/key-pair.ts).',
        },
      ],
    },
  },
  { files: ['eslint.config.js'], rules: { 'no-restricted-exports': 'off', 'max-lines': 'off' } },
);
