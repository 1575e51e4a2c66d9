// Small changes of a source file that its tests should notice. Pure; used by `npm run mutation`.
// Each mutant replaces one piece of text. Types, imports and the texts of errors for people are
// left alone: no test should hang on the wording of a sentence.

import ts from 'typescript';

export interface Mutant {
  readonly line: number;
  readonly kind: string;
  readonly start: number;
  readonly end: number;
  readonly replacement: string;
}

type Operator = (node: ts.Node, text: (node: ts.Node) => string) => Change | undefined;

interface Change {
  readonly kind: string;
  readonly node: ts.Node;
  readonly replacement: string;
}

const COMPARISONS: Readonly<Record<string, string>> = {
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '===': '!==',
  '!==': '===',
};
const LOGIC: Readonly<Record<string, string>> = { '&&': '||', '||': '&&' };
const ARITHMETIC: Readonly<Record<string, string>> = { '+': '-', '-': '+', '*': '/' };

/** All mutants of a TypeScript source, in the order of the text. */
export function mutantsOf(path: string, source: string): Mutant[] {
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.ES2023, true);
  const textOf = (node: ts.Node): string => node.getText(file);
  const mutants: Mutant[] = [];
  const visit = (node: ts.Node): void => {
    if (isLeftAlone(node)) {
      return;
    }
    for (const operator of OPERATORS) {
      const change = operator(node, textOf);
      if (change !== undefined) {
        const start = change.node.getStart(file);
        const { line } = file.getLineAndCharacterOfPosition(start);
        const { kind, replacement } = change;
        mutants.push({ line: line + 1, kind, start, end: change.node.getEnd(), replacement });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return mutants.sort((left, right) => left.start - right.start);
}

/** The source with one mutant in it. */
export function applyMutant(source: string, mutant: Mutant): string {
  return source.slice(0, mutant.start) + mutant.replacement + source.slice(mutant.end);
}

/**
 * One line for people and for the list of equivalent mutants: the change and the line it is in, for
 * the number of a line changes with every edit above it.
 */
export function describeMutant(source: string, mutant: Mutant): string {
  const original = oneLine(source.slice(mutant.start, mutant.end));
  const context = oneLine(source.split('\n')[mutant.line - 1] ?? '');
  return `${mutant.kind}: «${original}» → «${oneLine(mutant.replacement)}» in «${context}»`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

function isLeftAlone(node: ts.Node): boolean {
  return (
    ts.isTypeNode(node) ||
    ts.isImportDeclaration(node) ||
    ts.isInterfaceDeclaration(node) ||
    ts.isTypeAliasDeclaration(node) ||
    (ts.isPropertyAssignment(node) && node.name.getText() === 'hint')
  );
}

/** Sentences for people, and keys of objects, are no behaviour that a test should hold to. */
function isWording(node: ts.StringLiteral): boolean {
  const { parent } = node;
  return (
    node.text.trim().includes(' ') ||
    (ts.isPropertyAssignment(parent) && parent.name === node) ||
    ts.isLiteralTypeNode(parent) ||
    ts.isElementAccessExpression(parent)
  );
}

const OPERATORS: readonly Operator[] = [
  (node, text) => {
    if (!ts.isBinaryExpression(node)) {
      return undefined;
    }
    const token = text(node.operatorToken);
    const isText = ts.isStringLiteralLike(node.left) || ts.isStringLiteralLike(node.right);
    const [kind, other] = COMPARISONS[token]
      ? ['comparison', COMPARISONS[token]]
      : LOGIC[token]
        ? ['logic', LOGIC[token]]
        : ARITHMETIC[token] && !isText
          ? ['arithmetic', ARITHMETIC[token]]
          : ['', undefined];
    return other === undefined ? undefined : { kind, node: node.operatorToken, replacement: other };
  },
  (node, text) =>
    ts.isBinaryExpression(node) && text(node.operatorToken) === '??'
      ? { kind: 'nullish', node, replacement: `(${text(node.left)})!` }
      : undefined,
  (node, text) =>
    (ts.isIfStatement(node) || ts.isWhileStatement(node)) && !ts.isPrefixUnaryExpression(node)
      ? {
          kind: 'negate-condition',
          node: node.expression,
          replacement: `!(${text(node.expression)})`,
        }
      : undefined,
  (node, text) =>
    ts.isConditionalExpression(node)
      ? {
          kind: 'negate-condition',
          node: node.condition,
          replacement: `!(${text(node.condition)})`,
        }
      : undefined,
  (node) =>
    ts.isExpressionStatement(node)
      ? { kind: 'remove-statement', node, replacement: ';' }
      : undefined,
  (node) =>
    ts.isThrowStatement(node) ? { kind: 'remove-throw', node, replacement: ';' } : undefined,
  (node) =>
    ts.isReturnStatement(node) && node.expression === undefined
      ? { kind: 'remove-return', node, replacement: ';' }
      : undefined,
  (node) => {
    if (node.kind === ts.SyntaxKind.TrueKeyword && !ts.isLiteralTypeNode(node.parent)) {
      return { kind: 'boolean', node, replacement: 'false' };
    }
    return node.kind === ts.SyntaxKind.FalseKeyword && !ts.isLiteralTypeNode(node.parent)
      ? { kind: 'boolean', node, replacement: 'true' }
      : undefined;
  },
  (node, text) =>
    ts.isNumericLiteral(node) && !ts.isLiteralTypeNode(node.parent)
      ? { kind: 'number', node, replacement: `(${text(node)} + 1)` }
      : undefined,
  (node) =>
    ts.isStringLiteral(node) && node.text !== '' && !isWording(node)
      ? { kind: 'string', node, replacement: "''" }
      : undefined,
  (node, text) => {
    if (node.kind !== ts.SyntaxKind.RegularExpressionLiteral) {
      return undefined;
    }
    const pattern = text(node);
    return pattern.startsWith('/^')
      ? { kind: 'regex', node, replacement: `/${pattern.slice(2)}` }
      : undefined;
  },
  (node, text) =>
    ts.isAwaitExpression(node)
      ? { kind: 'remove-await', node, replacement: text(node.expression) }
      : undefined,
  (node, text) => {
    if (!ts.isArrayLiteralExpression(node) || node.elements.length < 2) {
      return undefined;
    }
    const kept = node.elements.slice(0, -1).map(text).join(', ');
    return { kind: 'drop-element', node, replacement: `[${kept}]` };
  },
];
