// Reads the source tree as TypeScript's own parser sees it, for the tests of the tree itself: who
// imports what from whom, what is exported, which globals are used. Used by test processes only; it
// reads files and runs nothing of what it reads.

import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';

interface ImportEdge {
  /** A path below the root for our own files (`src/lib/errors.ts`), else the module's name. */
  readonly target: string;
  /** False where the compiled program has no such import: `import type`. */
  readonly isRuntime: boolean;
  /** True for `import()`, which loads only when it is reached. */
  readonly isLazy: boolean;
  /** What is imported by name; `*` for all of the module, or where the names cannot be read. */
  readonly names: readonly string[];
  /** Those of the names that are there when the program runs: not the types. */
  readonly runtimeNames: readonly string[];
}

export interface SourceFile {
  /** Path below the root, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly ImportEdge[];
  /** `process.argv` and the like, and names that the file does not declare; each once. */
  readonly globals: ReadonlySet<string>;
  readonly exports: readonly string[];
  /** Members that its classes and interfaces declare. */
  readonly members: readonly string[];
  /** Names of the properties that it reads. */
  readonly readNames: ReadonlySet<string>;
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
  const properties = new Set<string>();
  const used = new Set<string>();
  const declared = new Set<string>();
  const members: string[] = [];
  const readNames = new Set<string>();
  let hasDefaultExport = false;
  let hasReExport = false;

  const visit = (node: ts.Node): void => {
    const edge = importOf(path, node);
    if (edge !== undefined) {
      imports.push(edge);
    }
    if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
      hasReExport = true;
    } else if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
      properties.add(`${node.expression.text}.${node.name.text}`);
    } else if (ts.isExportAssignment(node) || hasModifier(node, ts.SyntaxKind.DefaultKeyword)) {
      hasDefaultExport = true;
    } else if (ts.isIdentifier(node) && isUse(node)) {
      used.add(node.text);
    }
    addTo(declared, declaredName(node));
    addTo(readNames, readName(node));
    members.push(...memberNames(node));
    ts.forEachChild(node, visit);
  };
  visit(file);
  const free = [...used].filter((name) => !declared.has(name));
  const globals = new Set([...properties, ...free]);
  const exports = file.statements.flatMap(exportedNames);
  return {
    ...{ path, text, imports, globals, exports, members, readNames },
    ...{ hasDefaultExport, hasReExport },
  };
}

function addTo(set: Set<string>, name: string | undefined): void {
  if (name !== undefined) {
    set.add(name);
  }
}

/** The import that a node is, if it is one. */
function importOf(path: string, node: ts.Node): ImportEdge | undefined {
  if (ts.isImportDeclaration(node)) {
    const isRuntime = node.importClause?.phaseModifier !== ts.SyntaxKind.TypeKeyword;
    const target = toTarget(path, node.moduleSpecifier);
    return { target, isRuntime, isLazy: false, ...namesOfClause(node.importClause) };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
    const target = toTarget(path, node.moduleSpecifier);
    return { target, isRuntime: !node.isTypeOnly, isLazy: false, ...EVERY_NAME };
  }
  if (ts.isCallExpression(node) && isLoader(node.expression)) {
    const [argument] = node.arguments;
    return (
      argument && {
        target: toTarget(path, argument),
        isRuntime: true,
        isLazy: true,
        ...namesOfPattern(node),
      }
    );
  }
  if (ts.isImportTypeNode(node)) {
    const argument = ts.isLiteralTypeNode(node.argument) ? node.argument.literal : node.argument;
    const names = [node.qualifier?.getText() ?? '*'];
    const target = toTarget(path, argument);
    return { target, isRuntime: false, isLazy: false, names, runtimeNames: [] };
  }
  return undefined;
}

type Names = Pick<ImportEdge, 'names' | 'runtimeNames'>;

const EVERY_NAME: Names = { names: ['*'], runtimeNames: ['*'] };

function namesOfClause(clause: ts.ImportClause | undefined): Names {
  const bindings = clause?.namedBindings;
  if (bindings === undefined || !ts.isNamedImports(bindings)) {
    return EVERY_NAME;
  }
  const isTypes = clause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
  const nameOf = ({ propertyName, name }: ts.ImportSpecifier): string =>
    (propertyName ?? name).text;
  return {
    names: bindings.elements.map(nameOf),
    runtimeNames: bindings.elements
      .filter((element) => !isTypes && !element.isTypeOnly)
      .map(nameOf),
  };
}

/** Reads the names of `const { a, b } = await import(…)`. */
function namesOfPattern({ parent }: ts.CallExpression): Names {
  const variable = ts.isAwaitExpression(parent) ? parent.parent : undefined;
  if (
    variable === undefined ||
    !ts.isVariableDeclaration(variable) ||
    !ts.isObjectBindingPattern(variable.name)
  ) {
    return EVERY_NAME;
  }
  const names = variable.name.elements.map((element) =>
    (element.propertyName ?? element.name).getText(),
  );
  return { names, runtimeNames: names };
}

/** The names that a statement at the top of a file exports. */
function exportedNames(statement: ts.Statement): string[] {
  if (ts.isExportDeclaration(statement) && statement.exportClause !== undefined) {
    const clause = statement.exportClause;
    return ts.isNamedExports(clause) ? clause.elements.map(({ name }) => name.text) : [];
  }
  if (!hasModifier(statement, ts.SyntaxKind.ExportKeyword)) {
    return [];
  }
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) => boundNames(name));
  }
  const name = declaredName(statement);
  return name === undefined ? [] : [name];
}

function boundNames(name: ts.BindingName): string[] {
  return ts.isIdentifier(name)
    ? [name.text]
    : name.elements.flatMap((element) =>
        ts.isBindingElement(element) ? boundNames(element.name) : [],
      );
}

/** The name that a node gives to a value or type of its file. */
function declaredName(node: ts.Node): string | undefined {
  const isDeclaration =
    ts.isVariableDeclaration(node) ||
    ts.isParameter(node) ||
    ts.isBindingElement(node) ||
    ts.isFunctionDeclaration(node) ||
    ts.isFunctionExpression(node) ||
    ts.isClassDeclaration(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    ts.isImportSpecifier(node) ||
    ts.isNamespaceImport(node) ||
    ts.isImportClause(node);
  return isDeclaration && node.name !== undefined && ts.isIdentifier(node.name)
    ? node.name.text
    : undefined;
}

/** The members that a class or interface declares; the private ones are the compiler's to watch. */
function memberNames(node: ts.Node): string[] {
  return ts.isClassLike(node) || ts.isInterfaceDeclaration(node) || ts.isTypeLiteralNode(node)
    ? node.members.flatMap(({ name }) => (name && ts.isIdentifier(name) ? [name.text] : []))
    : [];
}

/**
 * The name of the property that a node reads: `a.name`, `{ name } = a`, `a['name']`, `Pick<A,
 * 'name'>`.
 */
function readName(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node)) {
    return node.name.text;
  }
  if (ts.isBindingElement(node)) {
    return (node.propertyName ?? node.name).getText();
  }
  const isKey =
    ts.isStringLiteralLike(node) &&
    (ts.isElementAccessExpression(node.parent) || ts.isLiteralTypeNode(node.parent));
  return isKey ? node.text : undefined;
}

/** False for the name of a property, a member or a declaration. */
function isUse(node: ts.Identifier): boolean {
  const { parent } = node;
  return ts.isShorthandPropertyAssignment(parent) || !('name' in parent && parent.name === node);
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

function toTarget(path: string, specifier: ts.Node): string {
  if (!ts.isStringLiteralLike(specifier)) {
    return `(computed) ${specifier.getText()}`;
  }
  const name = specifier.text;
  const isOurs = name.startsWith('.');
  return isOurs ? normalize(join(dirname(path), name)).replace(/\.js$/, '.ts') : name;
}

function isLoader(callee: ts.Expression): boolean {
  return (
    callee.kind === ts.SyntaxKind.ImportKeyword ||
    (ts.isIdentifier(callee) && (callee.text === 'require' || callee.text === 'createRequire'))
  );
}

function hasModifier(node: ts.Node, kind: ts.SyntaxKind): boolean {
  return (
    ts.canHaveModifiers(node) &&
    (ts.getModifiers(node) ?? []).some((modifier) => modifier.kind === kind)
  );
}
