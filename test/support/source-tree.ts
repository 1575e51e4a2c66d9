// Reads the source tree as TypeScript's own parser sees it, for the test of the module direction.
// Used by test processes only; it reads files and runs nothing of what it reads.

import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';

export interface ImportEdge {
  /** A path below the root for our own files (`src/lib/errors.ts`), else the module's name. */
  readonly target: string;
  /** False where the compiled program has no such import: `import type`. */
  readonly isRuntime: boolean;
  /** True for `import()`, which loads only when it is reached. */
  readonly isLazy: boolean;
}

export interface SourceFile {
  /** Path below the root, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly ImportEdge[];
  /** `process.argv` and the like, each once. */
  readonly globals: ReadonlySet<string>;
  readonly hasDefaultExport: boolean;
  readonly hasReExport: boolean;
}

/** Every TypeScript file below `folder`, a path below `root`. */
export function readSourceTree(root: string, folder: string): SourceFile[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`)
    .sort()
    .map((path) => parseSource(path, readFileSync(join(root, path), 'utf8')));
}

/** Takes one file apart. `path` is where it would be, for its relative imports. */
export function parseSource(path: string, text: string): SourceFile {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023, true);
  const imports: ImportEdge[] = [];
  const globals = new Set<string>();
  let hasDefaultExport = false;
  let hasReExport = false;

  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const isRuntime = node.importClause?.phaseModifier !== ts.SyntaxKind.TypeKeyword;
      imports.push({ ...toTarget(path, node.moduleSpecifier), isRuntime, isLazy: false });
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
      hasReExport = true;
      imports.push({
        ...toTarget(path, node.moduleSpecifier),
        isRuntime: !node.isTypeOnly,
        isLazy: false,
      });
    } else if (ts.isCallExpression(node) && isLoader(node.expression)) {
      const [argument] = node.arguments;
      if (argument !== undefined) {
        imports.push({ ...toTarget(path, argument), isRuntime: true, isLazy: true });
      }
    } else if (ts.isImportTypeNode(node)) {
      const argument = ts.isLiteralTypeNode(node.argument) ? node.argument.literal : node.argument;
      imports.push({ ...toTarget(path, argument), isRuntime: false, isLazy: false });
    } else if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
      globals.add(`${node.expression.text}.${node.name.text}`);
    } else if (ts.isExportAssignment(node) || isDefaultExport(node)) {
      hasDefaultExport = true;
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return { path, text, imports, globals, hasDefaultExport, hasReExport };
}

/**
 * The files and modules that are loaded, at once, when `entry` is: lazy and type-only imports are
 * not followed.
 */
export function loadedBy(files: readonly SourceFile[], entry: string): Set<string> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const loaded = new Set<string>();
  const waiting = [entry];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (!loaded.has(path)) {
      loaded.add(path);
      const edges = byPath.get(path)?.imports ?? [];
      waiting.push(
        ...edges.filter((edge) => edge.isRuntime && !edge.isLazy).map((edge) => edge.target),
      );
    }
  }
  return loaded;
}

function toTarget(path: string, specifier: ts.Node): { target: string } {
  if (!ts.isStringLiteralLike(specifier)) {
    return { target: `(computed) ${specifier.getText()}` };
  }
  const name = specifier.text;
  const isOurs = name.startsWith('.');
  return { target: isOurs ? normalize(join(dirname(path), name)).replace(/\.js$/, '.ts') : name };
}

function isLoader(callee: ts.Expression): boolean {
  return (
    callee.kind === ts.SyntaxKind.ImportKeyword ||
    (ts.isIdentifier(callee) && (callee.text === 'require' || callee.text === 'createRequire'))
  );
}

function isDefaultExport(node: ts.Node): boolean {
  return (
    ts.canHaveModifiers(node) &&
    (ts.getModifiers(node) ?? []).some((modifier) => modifier.kind === ts.SyntaxKind.DefaultKeyword)
  );
}
